"""The state of each job of a plan, from the files that it left and from what a scheduler knows."""

import os
from typing import Any, Protocol

from bench.jobs.model import Job
from bench.plan import Plan
from bench.store import JobDir, Store
from bench.store.lock import is_lock


class Scheduled(Protocol):
    """What a scheduler says of a job: `bench.launch.slurm.View` is one."""

    def state(self, folder: JobDir, *, started: bool, failure: dict[str, Any] | None) -> tuple[str, str] | None:
        """(status, reason) of a job that is not done and that nobody holds, or None where it has nothing to say.

        failure: how the job last failed, if it did.
        """

    def denies(self, holder: dict[str, Any]) -> bool:
        """Whether the holder of a lock is known to be dead."""


class Reader:
    """Reads each job's files once, and of jobs that left none nothing at all: there may be ten thousands.

    scheduler: who may know more of jobs that are not done.
    """

    def __init__(self, plan: Plan, store: Store, scheduler: Scheduled | None = None) -> None:
        self.plan, self.store, self.scheduler = plan, store, scheduler
        self._results: dict[str, dict[str, Any] | None] = {}
        self._states: dict[str, tuple[str, str]] = {}
        self._folders: dict[str, set[str]] = {}

    def folder(self, id: str) -> JobDir:
        return self.store.job(self.plan.jobs[id])

    def result(self, id: str | None) -> dict[str, Any]:
        """The result of a job, empty where it is not done."""
        if id is None or id not in self.plan.jobs:
            return {}
        if id not in self._results:
            try:
                self._results[id] = self.folder(id).result()
            except ValueError:
                self._results[id] = None
        return self._results[id] or {}

    def state(self, id: str) -> tuple[str, str]:
        """(status, reason) of a job, from its files and those of what it needs."""
        if id not in self._states:
            self._states[id] = self._state(self.plan.jobs[id])
        return self._states[id]

    def _state(self, job: Job) -> tuple[str, str]:
        folder = self.store.job(job)
        names = folder.names() if self._left_something(job) else set()
        if "result.json" in names and self._done(job.id, folder):
            return "done", ""
        holder = folder.lock().holder() if any(map(is_lock, names)) else None
        if holder is not None and not (self.scheduler and self.scheduler.denies(holder)):
            return "running", ""
        if names and holder is None and self._done(job.id, folder):  # it ended while we looked
            return "done", ""
        failure = folder.failure() if "failure.json" in names else None
        started = "log.jsonl" in names
        said = self.scheduler.state(folder, started=started, failure=failure) if self.scheduler else None
        if failure is not None and (said is None or said[0] != "pending"):
            return "failed", failure["error"]
        for need in job.needs:
            state, reason = self.state(need)
            if state == "failed":
                return "skipped", f"{self.plan.jobs[need].kind} failed: {reason}"
            if state == "skipped":
                return state, reason
        return said or self._unsaid(started)

    def _left_something(self, job: Job) -> bool:
        """Whether the job has a folder, by one look at those of all jobs of its kind."""
        if job.kind not in self._folders:
            try:
                self._folders[job.kind] = set(os.listdir(self.store.root / "jobs" / job.kind))
            except (FileNotFoundError, NotADirectoryError):
                self._folders[job.kind] = set()
        return job.id in self._folders[job.kind]

    def _done(self, id: str, folder: JobDir) -> bool:
        """By its result where that was read, else by the end of the file, which is there only when all of it is."""
        return bool(self._results[id]) if id in self._results else folder.done()

    @staticmethod
    def _unsaid(started: bool) -> tuple[str, str]:
        return ("interrupted", "stopped before its end; a rerun goes on") if started else ("pending", "")
