"""What Slurm says of the jobs of a suite: from the submissions' records and one query."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.launch.slurm import squeue
from bench.launch.slurm.squeue import Element
from bench.launch.slurm.submission import events
from bench.launch.slurm.submission.record import Submission
from bench.results.states import JobStanding
from bench.store import JobDir, Store, log
from bench.worker.outcome import Outcome

GONE = "GONE"  # Slurm knows nothing of it any more


@dataclass(frozen=True)
class Submitted:
    """The latest element that a job was submitted with. created: when, in seconds since 1970."""

    element: Element
    submission: Submission

    @property
    def created(self) -> float:
        return self.submission.data["created"]

    @property
    def log(self) -> Path:
        return self.submission.log(self.element.id)

    def past(self) -> list[str]:
        """What happened to the element so far."""
        return [event["event"] for event in events.read(self.submission.folder, self.element.id)]


class View:
    """known: whether Slurm answered; if not, nothing is said of what runs."""

    def __init__(self, store: Store, suite: str) -> None:
        self.suite, self.submissions = suite, Submission.all(store, suite)
        self.jobs: dict[str, tuple[str, Submission]] = {}  # identity -> Slurm's name, by the latest submission
        self.jobs_of: dict[str, list[str]] = {}
        self.elements: dict[str, Element] = {}
        self.halted: dict[str, str] = {}  # token of a submission -> why it was ended
        self.known = True
        self._past: dict[str, Element] | None = None
        self.refresh()
        for submission in self.submissions:
            for name, jobs in submission.elements():
                self.jobs_of[name] = jobs
                for job in jobs:
                    earlier = self.jobs.get(job)
                    if earlier is None or not self.stands(*earlier):
                        self.jobs[job] = name, submission

    def refresh(self) -> None:
        """Ask again."""
        if not self.submissions:
            return
        queue = squeue.squeue(self.suite)
        self.known, self._past = queue is not None, None
        tokens = {submission.data["token"] for submission in self.submissions}
        self.elements = {id: e for id, e in (queue or {}).items() if e.token in tokens}
        self.halted = {submission.data["token"]: why for submission in self.submissions if (why := submission.halted)}

    def alive(self, name: str) -> bool:
        return name in self.elements and self.elements[name].alive

    def stands(self, name: str, submission: Submission) -> bool:
        """Whether an element will still do its jobs."""
        return self.alive(name) and submission.data["token"] not in self.halted

    def living(self) -> list[str]:
        """All that is queued or runs, also what a killed submitter did not note down."""
        return [name for name, element in self.elements.items() if element.alive]

    def of(self, job: str) -> Submitted | None:
        """What became of a job's submission, or None where there was none or Slurm does not answer."""
        if job not in self.jobs or not self.known:
            return None
        name, submission = self.jobs[job]
        return Submitted(self.elements.get(name) or self.past(name), submission)

    def past(self, name: str) -> Element:
        """An ended element, by accounting where there is any: one query for all that squeue forgot."""
        if self._past is None:
            self._past = squeue.sacct({n for n, _ in self.jobs.values() if n not in self.elements})
        return self._past.get(name) or Element(name, GONE)

    def denies(self, holder: dict[str, Any]) -> bool:
        """Whether the holder of a lock belongs to an element of ours that does not run: its node died."""
        name = holder.get("slurm")
        if not self.known or name not in self.jobs_of:
            return False
        return name not in self.elements or not self.elements[name].running

    def failed(self, folder: JobDir, failure: dict[str, Any] | None) -> bool:
        """Whether a job failed since it was submitted, and is not about to be tried again by its allocation."""
        id = folder.path.name
        if failure is None or id not in self.jobs:
            return failure is not None
        name, submission = self.jobs[id]
        since, kind = submission.data["created"], failure.get("kind", "")
        if failure.get("time", 0.0) < since:
            return False
        allowed = submission.retries(id).get(kind, 0)
        if not allowed or not self.stands(name, submission):
            return True
        return log.count(folder.log, "failed", after=since, kind=kind) > allowed

    def standing(self, folder: JobDir, *, started: bool, failure: dict[str, Any] | None) -> JobStanding | None:
        """Tell how a job stands that is not done and that nobody holds; None where Slurm has nothing to say."""
        seen = self.of(folder.path.name)
        if seen is None or self.failed(folder, failure):
            return None
        id, queue = seen.element.id, seen.element.reason
        if seen.element.running:
            return JobStanding("pending", f"in the Slurm job {id}, which runs", starting=True)
        if seen.element.alive:
            requeued = started and "requeue" in seen.past()
            reason = f"{'requeued, ' if requeued else ''}Slurm job {id} waits: {queue}"
            return JobStanding("pending", reason, queue=queue, requeued=requeued)
        outcome = self.over(seen, started=started)
        where = f" ({seen.log})" if outcome.state == "failed" else ""
        return JobStanding(outcome.state, outcome.message + where)

    def over(self, seen: Submitted, *, started: bool) -> Outcome:
        """How a job ended that left no word, when its element has ended."""
        state, why = seen.element.state, self.halted.get(seen.submission.data["token"])
        if why is not None and state in ("CANCELLED", "COMPLETED", GONE):
            return Outcome("interrupted", f"{why}; a rerun goes on")
        if not started and state == GONE:  # of an array's element that is cancelled in the queue no trace is kept
            why = "not started, and Slurm knows its job no longer (cancelled while it waited?)"
            return Outcome("interrupted", f"{why}; a rerun goes on")
        if not started and state == "COMPLETED":
            return Outcome("interrupted", "not started by its Slurm job, which ended; a rerun goes on")
        if state == GONE and "stopped" in seen.past()[-2:]:
            state = "CANCELLED"  # it was told to end, not to come back
        return ended(state)


def ended(state: str) -> Outcome:
    """How a job ended that left no word, by what Slurm says of its element."""
    if state == "OUT_OF_MEMORY":
        return Outcome("failed", "Slurm: OUT_OF_MEMORY; ask for more with slurm.memory", kind="memory")
    if state in ("NODE_FAIL", "BOOT_FAIL", "TIMEOUT", "DEADLINE", "FAILED"):
        return Outcome("failed", f"Slurm: {state}", kind="died")
    if state == "CANCELLED":
        return Outcome("interrupted", "cancelled (scancel); a rerun goes on")
    return Outcome("interrupted", f"its Slurm job is over ({state}); a rerun goes on")
