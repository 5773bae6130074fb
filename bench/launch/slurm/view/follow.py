"""Watch submitted jobs until the last one is over: from their files, and one query to Slurm at a time."""

import signal
import time
from typing import Any

from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.launch.slurm.view.view import GONE, View, ended
from bench.store import JobDir
from bench.worker.outcome import Outcome

LOOK = 1.0  # seconds between looks at the files, if a look takes no longer than a tenth of it
FIRST, LONGEST, GROWTH = 1.0, 15.0, 1.5  # seconds between questions to Slurm
SETTLE = 1.0  # seconds that a failure has to stay: a retry may be about to clear it


class Follower:
    def __init__(self, schedule: Schedule, progress: Progress, view: View) -> None:
        self.schedule, self.progress, self.view = schedule, progress, view
        self.stopped = False
        self.asked, self.pause = time.monotonic(), FIRST
        self.failures: dict[str, float] = {}  # when failures were first seen
        self.missing: set[str] = set()  # jobs that nothing living stood for when Slurm was last asked

    def run(self) -> bool:
        """Until no job is open. Returns whether it was interrupted; Slurm goes on in any case."""
        before = {s: signal.signal(s, self.stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.schedule.open and not self.stopped:
                began = time.monotonic()
                self.look()
                self.progress.show()
                self.sleep(max(LOOK, 10 * (time.monotonic() - began)))
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
        if self.stopped:
            self.schedule.stop("not followed any longer; Slurm goes on")
        return self.stopped

    def stop(self, *_: Any) -> None:
        self.stopped = True

    def sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < deadline:
            time.sleep(min(0.2, seconds))

    def look(self) -> None:
        """Take in what happened. Slurm is asked seldom while nothing does."""
        asked = time.monotonic() - self.asked >= self.pause
        if asked:
            self.view.refresh()
            self.asked, self.pause = time.monotonic(), min(LONGEST, self.pause * GROWTH)
        there = self.folders()
        for entry in list(self.schedule.entries.values()):
            if not entry.open:
                continue
            outcome = self.outcome(entry.job.id, there, asked)
            if outcome is not None:
                self.pause = FIRST
                self.schedule.finish(entry.job.id, outcome)
                self.progress.finished(entry.job, outcome)
                if outcome.state == "failed" and self.schedule.fail_fast:
                    for submission in self.view.submissions:
                        submission.fail_fast(f"{entry.job.kind} {entry.job.id}")

    def folders(self) -> set[str]:
        """Identities of the jobs that left something: one look at each kind's folder, not at each job's."""
        kinds = {entry.job.kind for entry in self.schedule.entries.values()}
        return set().union(*(self.schedule.store.ids(kind) for kind in kinds))

    def outcome(self, id: str, there: set[str], asked: bool) -> Outcome | None:
        """How a job ended, or None while it has not."""
        folder = self.schedule.store.job(self.schedule.entries[id].job)
        held = None
        if id in there:
            if folder.done():
                return Outcome("done")
            failed = self.failure(id, folder)
            if failed is not None:
                return failed
            held = folder.lock().holder()
        self.schedule.mark(id, "running" if held and not self.view.denies(held) else "pending")
        if held or not self.view.known or self.view.alive(self.view.jobs.get(id, ("", None))[0]):
            self.missing.discard(id)
            return None
        if not asked:
            return None
        if id not in self.missing:  # its result may be about to appear
            self.missing.add(id)
            return None
        return self.lost(id, folder)

    def failure(self, id: str, folder: JobDir) -> Outcome | None:
        failure = folder.failure()
        if failure is None or not self.view.failed(folder, failure):
            self.failures.pop(id, None)
            return None
        if time.monotonic() - self.failures.setdefault(id, time.monotonic()) < SETTLE:
            return None
        return Outcome("failed", failure["error"], kind=failure.get("kind", ""))

    def lost(self, id: str, folder: JobDir) -> Outcome:
        """Nothing stands for a job any more, and it left no word since it was submitted."""
        failure, seen = folder.failure(), self.view.of(id)
        if failure is not None:
            return Outcome("failed", failure["error"], kind=failure.get("kind", ""))
        return self.view.over(seen, started=folder.started()) if seen else ended(GONE)
