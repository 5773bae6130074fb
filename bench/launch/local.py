"""All cores, or all GPUs, of this machine: up to `jobs` jobs at once, forked from one warm process."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import psutil

from bench.data.settings import RUNS_AT_ONCE
from bench.errors import BenchError
from bench.jobs.model import Job
from bench.launch import ranks
from bench.launch.devices import device_sets, visible
from bench.launch.messages import receive, send
from bench.launch.nodes import Nodes
from bench.launch.processes import module_command
from bench.launch.progress import Display
from bench.launch.request import Request
from bench.launch.schedule import Schedule
from bench.processes import cores
from bench.worker.outcome import Outcome

INTERVAL = 0.5  # seconds between looks at progress
GRACE = 30.0  # seconds for jobs to save and leave before they are killed, unless the caller says
RESTARTS = 3  # times that a warm process that dies is replaced


def launch(request: Request) -> bool:
    """Do all jobs. Returns whether it was interrupted."""
    file = request.plan.suite.file
    schedule, jobs = request.schedule, request.jobs or file.jobs
    return run(schedule, schedule.store.root, request.progress, jobs=jobs, device=file.device)


def run(
    schedule: Schedule,
    root: Path,
    progress: Display,
    *,
    jobs: int | None,
    device: str,
    heard: list[int] | None = None,
    grace: float = GRACE,
    nodes: Nodes | None = None,
) -> bool:
    """Run all jobs. Returns whether it was interrupted.

    jobs: how many at once, each by its `gpus_per_run` processes; default: as many as there are GPUs, or cores, for.
    heard: for whoever is stopped by a scheduler: signals go here, also Slurm's SIGUSR2, and one that is here already
        stops at once. Then a second one does not kill: the scheduler does so when it thinks it time.
    grace: seconds for jobs to save and leave before they are killed.
    nodes: machines, of which this is the first, that each job computes on together.
    """
    each = max((ranks.count(entry.job) for entry in schedule.entries.values()), default=1)
    here = each // (nodes.count if nodes else 1)
    sets = device_sets(here, device)
    slots = jobs or len(sets) or max(1, cores() // here)
    return _Local(schedule, root, progress, sets, slots, heard, grace, nodes).run()


class _Local:
    def __init__(
        self,
        schedule: Schedule,
        root: Path,
        progress: Display,
        devices: list[list[str]],
        slots: int,
        heard: list[int] | None = None,
        grace: float = GRACE,
        nodes: Nodes | None = None,
    ) -> None:
        self.schedule, self.root, self.progress, self.devices = schedule, root, progress, devices
        self.heard, self.grace, self.nodes, self.slots = heard, grace, nodes, slots
        self.free = list(reversed(range(slots)))  # slots without a job
        self.shared_by = -(-slots // len(devices)) if devices else 1
        self.running: dict[str, int] = {}  # slot of each job
        self.interrupted, self.lost = 0, 0
        self.start_pool()

    def start_pool(self) -> None:
        """Start a warm process, to which there is a connection that it alone inherits."""
        environment = dict(os.environ)
        environment.setdefault("OMP_NUM_THREADS", "1")
        environment[RUNS_AT_ONCE] = str(self.slots)  # so that decoding shares out the cores
        if not self.devices:
            environment |= visible([])
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, sys.path))  # an empty entry is this folder
        self.connection, theirs = Pipe()
        # Slurm's warning goes to every process of a job; the launcher answers it for all: what is blocked is inherited
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        try:
            self.pool = subprocess.Popen(
                module_command("bench.launch.pool", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what libraries print is no answer
                env=environment,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()

    def run(self) -> bool:
        signals = [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR2] if self.heard is not None else [])]
        before = {s: signal.signal(s, self.interrupt) for s in signals}
        if self.heard:
            self.interrupt(self.heard[0])
        try:
            while self.schedule.open and not self.interrupted:
                self.assign()
                self.hear(INTERVAL)
                self.progress.show()
            if self.interrupted:
                self.schedule.stop("interrupted")
            deadline = time.monotonic() + self.grace
            while self.running and time.monotonic() < deadline:
                self.hear(INTERVAL)
            return bool(self.interrupted)
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
            self.close()

    def interrupt(self, number: int, *_: Any) -> None:
        self.interrupted += 1
        if self.heard is not None:
            self.heard.append(number)
        elif self.interrupted == 1:
            self.progress.say("interrupted: saving what runs (again to stop at once)")
        if self.interrupted == 1 or self.heard is not None:
            self.pool.send_signal(signal.SIGTERM)
        else:
            self.kill_pool()

    def assign(self) -> None:
        """Give every free slot a job, as long as there are any."""
        while self.free and (job := self.schedule.next()) is not None:
            slot = self.free.pop()
            self.running[job.id] = slot
            self.order(job, slot)

    def order(self, job: Job, slot: int) -> None:
        gpus = self.devices[slot % len(self.devices)] if self.devices else []
        order: dict[str, Any] = {"job": job.to_json(), "root": str(self.root), "slot": slot, "gpus": gpus}
        order |= {"shared_by": self.shared_by, "nodes": asdict(self.nodes) if self.nodes else None}
        send(self.connection, order)

    def hear(self, seconds: float) -> None:
        """Take in what the pool says, if it says anything within that time."""
        while self.connection.poll(seconds):
            seconds = 0
            try:
                message = receive(self.connection)
            except EOFError:
                self.replace_pool()
                return
            self.finish(message["id"], Outcome.from_dict(message["outcome"]))

    def finish(self, id: str, outcome: Outcome) -> None:
        self.free.append(self.running.pop(id))
        self.schedule.finish(id, outcome)
        self.progress.finished(self.schedule.entries[id].job, outcome)

    def replace_pool(self) -> None:
        """The warm process is gone, and its children with it. Their jobs go on in another one."""
        self.connection.close()
        code = self.pool.wait()
        jobs = list(self.running)
        if self.interrupted:
            for id in jobs:
                self.finish(id, Outcome("interrupted", "killed"))
            return
        self.lost += 1
        if self.lost > RESTARTS or (code > 0 and not jobs):
            raise BenchError(f"the worker process ended with status {code}, {self.lost} times; its message is above")
        self.progress.say(f"warning: the worker process ended with status {code}; starting another")
        self.start_pool()
        for id in jobs:
            self.finish(id, Outcome("busy", "its worker process ended"))

    def close(self) -> None:
        self.connection.close()
        try:
            self.pool.wait(timeout=0.5 if self.running else GRACE)
        except subprocess.TimeoutExpired:
            self.kill_pool()

    def kill_pool(self) -> None:
        """The warm process and its children: one that is stuck would hold on to its job otherwise."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pool.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self.pool.kill()
