"""The state of each job of a plan, from the files that it left and from what a scheduler knows."""

from dataclasses import dataclass
from typing import Any, Protocol

from bench.jobs.model import Job
from bench.plan import Plan
from bench.store import JobDir, Store


@dataclass(frozen=True)
class JobStanding:
    """How a job stands.

    state:    one of `bench.jobs.model.STATES`; reason: why, in words, empty where there is nothing to say.
    queue:    why a scheduler lets it wait, in the scheduler's word.
    requeued: whether it waits there to go on with what it has begun.
    starting: whether it is about to be begun in an allocation that runs.
    """

    state: str
    reason: str = ""
    queue: str = ""
    requeued: bool = False
    starting: bool = False


class Scheduled(Protocol):
    """What a scheduler says of a job: `bench.launch.slurm.View` is one."""

    def standing(self, folder: JobDir, *, started: bool, failure: dict[str, Any] | None) -> JobStanding | None:
        """Tell how a job stands that is not done and that nobody holds, or None where it has nothing to say.

        failure: how the job last failed, if it did.
        """

    def denies(self, holder: dict[str, Any]) -> bool:
        """Tell whether the holder of a lock is known to be dead."""


class JobStates:
    """Reads each job's files once, and opens no folder of a job that has none: there may be ten thousands.

    scheduler: who may know more of jobs that are not done. measure: whether `bytes` adds up the files of the jobs whose
    standing is asked for, from the same look at their folders.
    """

    def __init__(self, plan: Plan, store: Store, scheduler: Scheduled | None = None, *, measure: bool = False) -> None:
        self.plan, self.store, self.scheduler, self.measure, self.bytes = plan, store, scheduler, measure, 0
        self.cleaned: list[
            str
        ] = []  # done jobs without the file that others take, of those whose standing was asked for
        self._results: dict[str, dict[str, Any] | None] = {}
        self._standings: dict[str, JobStanding] = {}
        self._ids: dict[str, set[str]] = {}  # of a kind's jobs that have a folder

    def folder(self, id: str) -> JobDir:
        return self.store.job(self.plan.jobs[id])

    def begun(self, job: Job) -> bool:
        """Tell whether a job has a folder, by one listing for all of its kind."""
        if job.kind not in self._ids:
            self._ids[job.kind] = self.store.ids(job.kind)
        return job.id in self._ids[job.kind]

    def result(self, id: str | None) -> dict[str, Any]:
        """Return the result of a job, empty where it is not done."""
        if id is None or id not in self.plan.jobs:
            return {}
        if id not in self._results:
            try:
                self._results[id] = self.folder(id).result() if self.begun(self.plan.jobs[id]) else None
            except ValueError:
                self._results[id] = None
        return self._results[id] or {}

    def state(self, id: str) -> tuple[str, str]:
        """Return (state, reason) of a job."""
        standing = self.standing(id)
        return standing.state, standing.reason

    def standing(self, id: str) -> JobStanding:
        """Tell how a job stands, from its files and those of what it needs."""
        if id not in self._standings:
            self._standings[id] = self._standing(self.plan.jobs[id])
        return self._standings[id]

    def _standing(self, job: Job) -> JobStanding:
        if not self.begun(job):
            return self._open(job, started=False, failure=None)
        folder = self.store.job(job)
        contents = folder.contents(measure=self.measure)
        self.bytes += contents.bytes
        if contents.result and self._done(job.id, folder):
            if not contents.weights and job.kind != "run":
                self.cleaned.append(job.id)
            return JobStanding("done")
        holder = folder.lock().holder() if contents.lock else None
        if holder is not None and not (self.scheduler and self.scheduler.denies(holder)):
            return JobStanding("running")
        if contents.anything and holder is None and self._done(job.id, folder):  # it ended while we looked
            return JobStanding("done")
        failure = folder.failure() if contents.failure else None
        return self._open(job, started=contents.log, failure=failure)

    def _open(self, job: Job, *, started: bool, failure: dict[str, Any] | None) -> JobStanding:
        """Tell how a job stands that is not done and that nobody holds."""
        scheduled = None
        if self.scheduler is not None:
            scheduled = self.scheduler.standing(self.store.job(job), started=started, failure=failure)
        if failure is not None and (scheduled is None or scheduled.state != "pending"):
            return JobStanding("failed", failure["error"])
        for need in job.needs:
            state, reason = self.state(need)
            if state == "failed":
                return JobStanding("skipped", f"{self.plan.jobs[need].kind} failed: {reason}")
            if state == "skipped":
                return JobStanding(state, reason)
        if scheduled is not None:
            return scheduled
        return (
            JobStanding("interrupted", "stopped before its end; a rerun goes on") if started else JobStanding("pending")
        )

    def _done(self, id: str, folder: JobDir) -> bool:
        """By its result where that was read, else by the end of the file, which is there only when all of it is."""
        result = self._results.get(id, {"cleaned": True})  # one that was cleaned may have to be made again
        return bool(result) and ("cleaned" not in (result or {}) or folder.done())
