"""What an element of an array does on its node: its jobs, by the local launcher, until they are done or Slurm calls."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.jobs.model import Job
from bench.launch import local
from bench.launch.devices import visible
from bench.launch.nodes import Nodes, take_part
from bench.launch.pool import warm_up
from bench.launch.schedule import Schedule
from bench.launch.slurm.scripts.script import BESIDE, warning
from bench.launch.slurm.submission import events
from bench.launch.slurm.submission.record import Submission
from bench.store import Store, log
from bench.worker.outcome import Outcome
from bench.worker.process import slurm_job

POLL = 2.0  # seconds between looks at what others have to do first
EARLY = 65.0  # seconds that Slurm's warning may come early, and some
CHANCE = 0.25  # of an allocation's time, which a job must have had before a time-out counts against it
LAST = 600.0  # seconds that Slurm has to end what it said it would


@dataclass(frozen=True)
class ElementWork:
    """What submitit pickles: where to read what there is to do."""

    folder: str
    array: int
    index: int

    def __call__(self) -> None:
        sys.path += filter(None, os.environ.get(BESIDE, "").split(os.pathsep))
        if os.environ.get("SLURM_PROCID", "0") == "0":
            Allocation(self).work()
        else:
            assist(self)

    def checkpoint(self) -> Any:
        """For the moment before our own handlers are there."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Lines:
    """Progress as plain lines of the allocation's log; stops a schedule whose submission was ended."""

    def __init__(self, submission: Submission) -> None:
        self.submission, self.looked = submission, time.monotonic()
        self.schedule: Schedule | None = None

    def say(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)

    def show(self) -> None:
        if self.schedule is None or time.monotonic() - self.looked < POLL:
            return
        self.looked = time.monotonic()
        if why := self.submission.halted:
            self.schedule.stop(why)

    def finished(self, job: Job, outcome: Outcome) -> None:
        self.say(f"{outcome.state}: {job.kind} {job.id}{f': {outcome.message}' if outcome.message else ''}")
        if self.schedule is not None and self.schedule.entries[job.id].state == "failed":
            self.submission.fail_fast(f"{job.kind} {job.id}")


class Allocation:
    def __init__(self, work: ElementWork) -> None:
        self.began = time.time()
        self.heard: list[int] = []
        for number in (signal.SIGUSR2, signal.SIGTERM):
            signal.signal(number, lambda number, _: self.heard.append(number))
        self.submission = Submission.read(Path(work.folder))
        self.array = self.submission.data["arrays"][work.array]
        self.jobs, self.needs = self.submission.group(work.array, work.index)
        self.root = Path(self.submission.data["root"])
        self.store, self.lines = Store(self.root), Lines(self.submission)
        self.nodes = nodes_of(self.array)
        self.meeting = self.nodes.store(first=True) if self.nodes else None
        self.id = slurm_job().get("slurm", "")

    def work(self) -> None:
        self.note("start", host=os.uname().nodename, restart=int(os.environ.get("SLURM_RESTART_COUNT", 0)))
        ready = [] if self.submission.halted else self.wait_for_needs()
        if ready and not self.heard:
            self.run(ready)
        if signal.SIGUSR2 in self.heard:
            self.requeue()
        elif self.heard:
            self.note("stopped")
            self.last_moments()
        if self.nodes and self.meeting:
            self.nodes.dismiss(self.meeting)
        self.note("end")

    def note(self, event: str, **values: Any) -> None:
        events.append(self.submission.folder, self.id, event, **values)

    def wait_for_needs(self) -> list[Job]:
        """The jobs whose needs are done; waits for those that somebody is at, and drops those that will never be.
        What failed before this allocation was started again is not tried again by that."""
        failed = [job for job in self.jobs if self.submission.failed(self.store.job(job))]
        jobs = [job for job in self.jobs if job not in failed]
        for job in failed:
            jobs = self.without(jobs, job.id, f"it needs the {job.kind} {job.id}, which failed")
        waiting = [need for need in self.needs if not self.store.job_dir(*need).done()]
        while waiting and jobs and not self.heard:
            for kind, id in list(waiting):
                folder = self.store.job_dir(kind, id)
                if folder.done():
                    waiting.remove((kind, id))
                elif folder.lock().holder() is None and not folder.done():
                    ended = "failed" if folder.failure() else "did not finish"
                    jobs = self.without(jobs, id, f"it needs the {kind} {id}, which {ended}")
                    waiting.remove((kind, id))
            if waiting:
                time.sleep(POLL)
        return jobs

    def without(self, jobs: list[Job], need: str, reason: str) -> list[Job]:
        dropped = {need}
        kept = []
        for job in jobs:
            if dropped & set(job.needs):
                self.lines.say(f"not started: {job.kind} {job.id}: {reason}")
                dropped.add(job.id)
            else:
                kept.append(job)
        return kept

    def run(self, jobs: list[Job]) -> None:
        hide_gpus(self.array)
        inside = {job.id for job in jobs}
        trimmed = [Job(j.kind, j.id, j.settings, tuple(n for n in j.needs if n in inside), j.local) for j in jobs]
        retries = self.array["retries"]
        fail_fast = self.submission.data.get("fail_fast", False)
        schedule = Schedule(trimmed, self.store, fail_fast=fail_fast, warn=self.lines.say, retries=retries)
        self.lines.schedule = schedule
        device = jobs[0].local.get("device", "auto")
        grace = warning(self.array["minutes"]) / 2  # what does not save in time must not take the others with it
        local.run(
            schedule,
            self.root,
            self.lines,
            jobs=self.array["workers"],
            device=device,
            heard=self.heard,
            grace=grace,
            nodes=self.nodes,
        )

    def requeue(self) -> None:
        """Slurm warned: of a preemption, or of the time limit. Come back later, unless that leads nowhere."""
        minutes = self.array["minutes"]
        timed_out = time.time() - self.began >= minutes * 60 - warning(minutes) - EARLY
        self.note("timeout" if timed_out else "preempted")
        if timed_out:
            for job in self.jobs:
                self.count_timeout(job)
        if all(self.over(job) for job in self.jobs):
            return
        self.note("requeue")
        done = subprocess.run(["scontrol", "requeue", self.id])  # by SLURM_JOB_ID the last element would take all along
        self.last_moments(requeued=done.returncode in (0, -signal.SIGTERM))  # it may die of the signal that it causes
        sys.exit(1)

    def over(self, job: Job) -> bool:
        folder = self.store.job(job)
        return folder.done() or self.submission.failed(folder)

    def count_timeout(self, job: Job) -> None:
        """A job that never gets to a checkpoint within the limit would be requeued for ever. One that started late in
        this allocation was not given the time."""
        folder = self.store.job(job)
        if self.over(job) or events.in_vain(folder.log, self.began) < CHANCE * (time.time() - self.began):
            return
        folder.append_log("timeout", minutes=self.array["minutes"])
        count = log.count(folder.log, "timeout", since=("checkpoint", "failed", "done"))
        if count >= self.array["max_timeouts"]:
            message = f"timed out {count} times ({self.array['minutes']} min) without a checkpoint; raise slurm.time"
            folder.fail(message, kind="timeout")

    def last_moments(self, requeued: bool = False) -> None:
        """Slurm said that it will end this allocation; to leave before would look as if all were done. Once it has
        taken a requeue and says so (SIGTERM), nothing has to wait for it to kill."""
        deadline = time.monotonic() + LAST
        while time.monotonic() < deadline and not (requeued and signal.SIGTERM in self.heard):
            time.sleep(0.1)


def assist(work: ElementWork) -> None:
    """What the task on another than the first node does."""
    submission = Submission.read(Path(work.folder))
    array = submission.data["arrays"][work.array]
    hide_gpus(array)
    nodes = nodes_of(array)
    assert nodes is not None
    warm_up()
    jobs, _ = submission.group(work.array, work.index)
    take_part(nodes, int(os.environ["SLURM_PROCID"]), jobs, Path(submission.data["root"]))


def nodes_of(array: dict[str, Any]) -> Nodes | None:
    """The nodes of this allocation, if a job is on several."""
    return Nodes.here(array["nodes"]) if array.get("nodes", 1) > 1 else None


def hide_gpus(array: dict[str, Any]) -> None:
    """Without control groups a job would see all GPUs of its node, also where it asked for none."""
    if not array["gpus"]:
        os.environ.update(visible([]))


def main() -> None:
    """For a look by hand: `python -m bench.launch.slurm.payload '{"folder": ..., "array": 0, "index": 0}'`."""
    ElementWork(**json.loads(sys.argv[1]))()


if __name__ == "__main__":
    main()
