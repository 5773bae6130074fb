"""Which job may run next, and what becomes of those that wait for a failed one."""

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.jobs import KINDS, STATES, Job, estimated_flops
from bench.jobs.model import ELSEWHERE, OPEN, WAITING
from bench.results.cleaned import made_again
from bench.store import JobDir, Store
from bench.worker.outcome import Outcome

RETRY_BUSY = 1.0  # seconds before a job that another process holds is looked at again
SHOWN = (*OPEN, *(state for state in STATES if state not in OPEN))  # in this order


@dataclass
class JobEntry:
    """A job and what is known of it. State: one of a job's, or ELSEWHERE."""

    job: Job
    units: float
    state: str = "pending"
    message: str = ""
    not_before: float = 0.0
    tries: Counter[str] = field(default_factory=Counter)  # failures so far, by their kind
    waits_for: set[str] = field(default_factory=set)

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def trains(self) -> bool:
        return self.units > 1  # FLOPs; what does not train has one, to be in an order


class Schedule:
    """The state of each of some jobs. Done ones are not done again; what failed in an earlier command is.

    retries: how often a job is tried again in this one, by the kind of its failure (`died`, `memory`, `error`).
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        store: Store,
        *,
        fail_fast: bool = False,
        warn: Callable[[str], object] = print,
        retries: dict[str, int] | None = None,
    ) -> None:
        self.store, self.fail_fast, self.warn, self.retries = store, fail_fast, warn, retries or {}
        self.entries = {job.id: JobEntry(job, estimated_flops(job)) for job in jobs}
        self.dependents: dict[str, list[JobEntry]] = defaultdict(list)
        self.ready: list[tuple[int, float, str]] = []  # heap: what others wait for first, then the longest
        self.elsewhere: list[JobEntry] = []
        self.counts: Counter[str] = Counter()
        self.done_here = 0
        for entry in self.entries.values():
            entry.state = self._look(entry)
            self.counts[entry.state] += 1
        self._want_again()
        for entry in self.entries.values():
            for id in entry.job.needs:
                self._wait(entry, id)
            self._offer(entry)

    def _look(self, entry: JobEntry) -> str:
        folder = self.store.job(entry.job)
        trouble = folder.damage()
        if trouble is not None:
            aside = folder.set_aside()
            remedy = f"kept as {aside.name}, made again" if aside else folder.linked or "another process makes it again"
            self.warn(f"warning: {trouble}; {remedy}")
            return "pending"
        return "done" if folder.done() else "pending"

    def _want_again(self) -> None:
        """What was cleaned and is needed now is to do."""
        jobs = [entry.job for entry in self.entries.values()]
        done = [id for id, entry in self.entries.items() if entry.state == "done"]
        for job in made_again(jobs, set(done).__contains__, lambda job: self.store.job(job).result()):
            if self.store.job(job).want():
                self.warn(f"note: {job.kind} {job.id} is made again: bench clean removed its files, which are needed")
                self._set(self.entries[job.id], "pending")

    def _wait(self, entry: JobEntry, id: str) -> None:
        if self.entries[id].state != "done":
            entry.waits_for.add(id)
            self.dependents[id].append(entry)

    def _offer(self, entry: JobEntry) -> None:
        if entry.state == "pending" and not entry.waits_for:
            heapq.heappush(self.ready, (KINDS.index(entry.job.kind), -entry.units, entry.job.id))

    def _set(self, entry: JobEntry, state: str, message: str = "") -> None:
        self.counts[entry.state] -= 1
        self.counts[state] += 1
        entry.state, entry.message = state, message

    @property
    def open(self) -> bool:
        return any(self.counts[state] for state in OPEN)

    def next(self) -> Job | None:
        """The job to start now, or None while all wait."""
        now = time.monotonic()
        for entry in [e for e in self.elsewhere if e.not_before <= now]:
            self.elsewhere.remove(entry)
            self._set(entry, "pending")
            self._offer(entry)
        while self.ready:
            entry = self.entries[heapq.heappop(self.ready)[2]]
            if entry.state == "pending" and not entry.waits_for:
                self._set(entry, "running")
                return entry.job
        return None

    def finish(self, id: str, outcome: Outcome) -> None:
        """Take in how a job ended."""
        entry = self.entries[id]
        if outcome.state == "busy":
            self._set(entry, ELSEWHERE, "held by another process")
            entry.not_before = time.monotonic() + RETRY_BUSY
            self.elsewhere.append(entry)
        elif outcome.state == "damaged" and outcome.damaged is not None:
            self._remake(entry, outcome)
        elif outcome.state == "failed" and entry.tries[outcome.kind] < self.retries.get(outcome.kind, 0):
            entry.tries[outcome.kind] += 1
            self.warn(f"tried again: {entry.job.kind} {id}: {outcome.message}")
            self._set(entry, "pending")
            self._offer(entry)
        else:
            self._set(entry, outcome.state, outcome.message)
            if outcome.state == "done":
                self.done_here += outcome.kind != "before"
                for other in self.dependents.pop(id, []):
                    other.waits_for.discard(id)
                    self._offer(other)
            elif outcome.state == "failed":
                self._skip_dependents(entry, f"{entry.job.kind} failed")
                if self.fail_fast:
                    self.stop("not started: --fail-fast")

    def _remake(self, entry: JobEntry, outcome: Outcome) -> None:
        """What the job needs turned out damaged: do that again first."""
        self.warn(f"warning: {outcome.message}; it is made again")
        assert outcome.damaged is not None
        self.store.job_dir(*outcome.damaged).want()
        broken = self.entries.get(outcome.damaged[1])
        if broken is None:  # this schedule is of a part of the suite's jobs
            self.finish(entry.job.id, Outcome("failed", f"{outcome.message}; run the suite again", kind="error"))
            return
        self._set(entry, "pending")
        if broken.state == "done":
            self._set(broken, "pending")
            self._offer(broken)
        self._wait(entry, broken.job.id)
        self._offer(entry)

    def look_again(self) -> None:
        """Look once more at what is done: what was damaged meanwhile has failed, and the next command does it anew."""
        for entry in self.entries.values():
            folder = self.store.job(entry.job)
            # twice: bench clean writes what it has removed before it removes it
            if entry.state == "done" and _harm(folder) and (harm := _harm(folder)):
                remedy = folder.linked or "the same command makes it again"
                self._set(entry, "failed", f"damaged since it was done: {harm}; {remedy}")

    def mark(self, id: str, state: str) -> None:
        """Say of an open job how far another launcher is with it: pending, running or elsewhere."""
        if self.entries[id].open:
            self._set(self.entries[id], state)

    def stop(self, reason: str) -> None:
        """Start nothing more."""
        for entry in self.entries.values():
            if entry.state in WAITING:
                self._set(entry, "interrupted", reason)

    def _skip_dependents(self, failed: JobEntry, reason: str) -> None:
        for other in self.dependents.pop(failed.job.id, []):
            if other.state in WAITING:
                self._set(other, "skipped", reason)
                self._skip_dependents(other, reason)


def _harm(folder: JobDir) -> str:
    """What is wrong with the files of a job that was done, or that they cannot be read. One that was cleaned, and that
    another command wants now, is not harmed."""
    try:
        return folder.damage() or ("" if folder.result() else f"{folder.path}: no result there any more")
    except OSError as error:
        return f"{error.filename or folder.path}: {error.strerror}"
