"""Watch submitted jobs until the last one is over: from their files, and one query to Slurm at a time."""

import signal
import time
from typing import Any

from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.launch.slurm import squeue
from bench.launch.slurm.view import View, ended
from bench.worker import Outcome

FIRST, LONGEST, GROWTH = 1.0, 15.0, 1.2  # seconds between looks


class Follower:
    def __init__(self, schedule: Schedule, progress: Progress, view: View) -> None:
        self.schedule, self.progress, self.view = schedule, progress, view
        self.stopped = False
        self.failures: dict[str, float] = {}  # failures seen once: a retry may be about to clear them
        self.missing: set[str] = set()  # jobs that nothing living stood for at the last look

    def run(self) -> bool:
        """Until no job is open. Returns whether it was interrupted; Slurm goes on in any case."""
        before = {s: signal.signal(s, self.stop) for s in (signal.SIGINT, signal.SIGTERM)}
        pause = FIRST
        try:
            while self.schedule.open and not self.stopped:
                if self.look():
                    pause = FIRST
                self.progress.show()
                self.sleep(pause)
                pause = min(LONGEST, pause * GROWTH)
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

    def look(self) -> bool:
        """Take in what happened; whether anything did."""
        self.view.refresh()
        ended = False
        for entry in list(self.schedule.entries.values()):
            if entry.state not in ("pending", "running", "elsewhere"):
                continue
            outcome = self.outcome(entry.job.id)
            if outcome is not None:
                ended = True
                self.schedule.finish(entry.job.id, outcome)
                self.progress.finished(entry.job, outcome)
                if outcome.state == "failed" and self.schedule.fail_fast:
                    squeue.scancel(self.view.living())
        return ended

    def outcome(self, id: str) -> Outcome | None:
        """How a job ended, or None while it has not."""
        folder = self.schedule.store.job(self.schedule.entries[id].job)
        if (folder.path / "result.json").exists():
            return Outcome("done")
        failed = self.failure(id, folder)
        if failed is not None:
            return failed
        name = self.view.jobs.get(id, ("", None))[0]
        held = self.view.elements.get(name)
        working = held is not None and held.running and bool(folder.lock().holder())
        self.schedule.mark(id, "running" if working else "pending")
        if not self.view.known or self.view.alive(name) or folder.lock().holder():
            self.missing.discard(id)
            return None
        if id not in self.missing:  # its result may be about to appear
            self.missing.add(id)
            return None
        return self.lost(id)

    def failure(self, id: str, folder: Any) -> Outcome | None:
        found = folder.failure()
        if found is None or found.get("time", 0.0) < self.since(id):
            self.failures.pop(id, None)
            return None
        if id in self.failures and time.monotonic() - self.failures[id] > 1.0:
            return Outcome("failed", found["error"], kind=found.get("kind", ""))
        self.failures.setdefault(id, time.monotonic())
        return None

    def since(self, id: str) -> float:
        """When the job was submitted: failures before are those that are tried again."""
        _, submission = self.view.jobs.get(id, ("", None))
        return submission.data["created"] if submission is not None else 0.0

    def lost(self, id: str) -> Outcome:
        """Nothing stands for a job any more, and it left no word."""
        seen = self.view.of(id)
        state, kind, reason = ended(seen.element.state if seen else "GONE")
        return Outcome(state, reason, kind=kind)  # type: ignore[arg-type]
