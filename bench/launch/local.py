"""All cores, or all GPUs, of this machine: up to `jobs` jobs at once, forked from one warm process."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.data.settings import RUNS_AT_ONCE
from bench.errors import BenchError
from bench.jobs.model import Job
from bench.launch import ranks
from bench.launch.pool import to_outcome
from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.worker.outcome import Outcome

if TYPE_CHECKING:
    from bench.launch.nodes import Nodes

INTERVAL = 0.5  # seconds between looks at progress
GRACE = 30.0  # seconds for jobs to save and leave before they are killed, unless the caller says
RESTARTS = 3  # times that a warm process that dies is replaced


def gpus() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them; found without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [d for d in visible.split(",") if d.strip()]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(i) for i, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def ignore_warning() -> None:
    """Slurm's warning goes to every process of a job; the launcher answers it for all."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    schedule: Schedule,
    root: Path,
    progress: Progress,
    *,
    jobs: int | None,
    device: str,
    heard: list[int] | None = None,
    grace: float = GRACE,
    nodes: "Nodes | None" = None,
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


def device_sets(each: int, device: str) -> list[list[str]]:
    """The GPUs of this machine in sets of `each`; none where jobs compute on the CPU.

    Raises BenchError where there are GPUs, but not enough for one job.
    """
    found = gpus() if device != "cpu" else []
    if 0 < len(found) < each:
        raise BenchError(f"gpus_per_run: {each} GPUs for a run; this machine has {len(found)} (or say device: cpu)")
    return [found[first : first + each] for first in range(0, len(found) - each + 1, each)]


class _Local:
    def __init__(
        self,
        schedule: Schedule,
        root: Path,
        progress: Progress,
        devices: list[list[str]],
        slots: int,
        heard: list[int] | None = None,
        grace: float = GRACE,
        nodes: "Nodes | None" = None,
    ) -> None:
        self.schedule, self.root, self.progress, self.devices = schedule, root, progress, devices
        self.heard, self.grace, self.nodes, self.slots = heard, grace, nodes, slots
        self.free = list(reversed(range(slots)))  # slots without a job
        self.shared_by = -(-slots // len(devices)) if devices else 1
        self.running: dict[str, int] = {}  # slot of each job
        self.interrupted, self.lost = 0, 0
        self.pool = self.start_pool()

    def start_pool(self) -> subprocess.Popen[bytes]:
        environment = dict(os.environ)
        environment.setdefault("OMP_NUM_THREADS", "1")
        environment[RUNS_AT_ONCE] = str(self.slots)  # so that decoding shares out the cores
        if not self.devices:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        return subprocess.Popen(
            [sys.executable, "-m", "bench.launch.pool"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,  # or a second line would hide in a buffer from select
            preexec_fn=ignore_warning,
        )

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
        own = self.devices[slot % len(self.devices)] if self.devices else []
        order: dict[str, Any] = {"job": job.to_json(), "root": str(self.root)}
        order |= {"gpus": own, "shared_by": self.shared_by}
        order |= {"slot": slot, "nodes": asdict(self.nodes) if self.nodes else None}
        assert self.pool.stdin is not None
        data = memoryview((json.dumps(order) + "\n").encode())
        with contextlib.suppress(BrokenPipeError):  # its end is noticed where its output is read
            while data:
                data = data[self.pool.stdin.write(data) :]

    def hear(self, seconds: float) -> None:
        """Take in what the pool says, if it says anything within that time."""
        assert self.pool.stdout is not None
        while select.select([self.pool.stdout], [], [], seconds)[0]:
            seconds = 0
            line = self.pool.stdout.readline()
            if not line:
                self.replace_pool()
                return
            message = json.loads(line)
            if "id" in message:
                self.finish(message["id"], to_outcome(message))

    def finish(self, id: str, outcome: Outcome) -> None:
        self.free.append(self.running.pop(id))
        self.schedule.finish(id, outcome)
        self.progress.finished(self.schedule.entries[id].job, outcome)

    def replace_pool(self) -> None:
        """The warm process is gone, and its children with it. Their jobs go on in another one."""
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
        self.pool = self.start_pool()
        for id in jobs:
            self.finish(id, Outcome("busy", "its worker process ended"))

    def close(self) -> None:
        assert self.pool.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.pool.stdin.close()
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
