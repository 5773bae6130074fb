"""The processes of a job that trains on several devices: forked together, watched, and ended together."""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.model import Job
from bench.launch.child import death, die_with_parent, leave_after, memory_kills
from bench.store import Store
from bench.worker.execute import execute
from bench.worker.outcome import Outcome, Stop, fail
from bench.worker.process import choose_device, preload

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from bench.launch.nodes import Nodes
    from bench.train.group import Meeting

LOCAL = "127.0.0.1"
LOOK = 0.2  # seconds between looks at whether somebody wants us to stop
GRACE = 3.0  # seconds for the others to leave by themselves, after one has failed or the first is done


def count(job: Job) -> int:
    """How many processes do the job together."""
    return job.local.get("gpus_per_run", 1)


def run(
    job: Job, root: Path, *, gpus: list[str], stop: Stop, shared_by: int = 1, nodes: "Nodes | None" = None
) -> Outcome:
    """Do a job by `gpus_per_run` processes of this machine. gpus: one for each; none: on the CPU.

    nodes: other machines that take an equal share of the processes.
    The caller must not have used a GPU, since what it forks could not then.
    """
    from bench.train.group import Meeting

    here = count(job) // (nodes.count if nodes else 1)
    with socket.create_server(("" if nodes else LOCAL, 0)) as listener:
        meeting = Meeting(nodes.host if nodes else LOCAL, listener.getsockname()[1], listener.fileno())
        ranks = Ranks(job, root, meeting, range(here), gpus, shared_by)
    if nodes:
        nodes.give(ranks)
    return settle(job, root, ranks.wait(stop))


def settle(job: Job, root: Path, said: dict[int, Outcome]) -> Outcome:
    """How a job ended, from what its processes said, in the order in which they did; a failure is written."""
    first = said.get(0)
    if first is not None and first.state != "failed":
        return first
    with contextlib.suppress(ValueError):
        if Store(root).job(job).result() is not None:
            return Outcome("done")
    bad = [outcome for outcome in said.values() if outcome.state not in ("done", "busy")]
    killed = [outcome for outcome in bad if outcome.kind in ("died", "memory") and not outcome.traceback]
    cause = (killed or bad)[0]  # that another is gone makes all others fail
    return fail(Store(root).job(job), cause) if cause.state == "failed" else cause


@dataclass
class Rank:
    number: int
    pid: int
    said: bytes = b""


@dataclass
class Ranks:
    """Those of a job's processes that are of this machine.

    numbers: which of them; gpus: one for each, none on the CPU.
    """

    job: Job
    root: Path
    meeting: "Meeting"
    numbers: range
    gpus: list[str]
    shared_by: int
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # in the order in which they came
    running: dict[int, Rank] = field(default_factory=dict)  # by the descriptor that each reports on
    links: list["Connection"] = field(default_factory=list)  # to other machines, while their processes run

    def __post_init__(self) -> None:
        preload()  # once for all that are forked

        self.scratch = tempfile.TemporaryDirectory(prefix="bench-ranks-", ignore_cleanup_errors=True)
        self.selector = selectors.DefaultSelector()
        self.kills = memory_kills()
        for place, number in enumerate(self.numbers):
            self.start(number, self.gpus[place] if self.gpus else None)

    def start(self, number: int, gpu: str | None) -> None:
        ours, theirs = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            for other in (ours, *self.running):
                os.close(other)
            leave_after(lambda: self.serve(number, gpu, theirs, parent))
        os.close(theirs)
        self.running[ours] = Rank(number, pid)
        self.hear_from(ours, lambda: self.hear(ours))

    def serve(self, number: int, gpu: str | None, report: int, parent: int) -> None:
        """What a forked process does: its part of the job, and tell how it ended."""
        stop = Stop()
        signal.signal(signal.SIGTERM, stop)
        for ignored in (signal.SIGINT, signal.SIGUSR2):  # are for whoever started the job
            signal.signal(ignored, signal.SIG_IGN)
        die_with_parent(parent, signal.SIGKILL)  # who else would end it, should it be stuck
        tempfile.tempdir = self.scratch.name  # what is killed leaves nothing behind
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        outcome = self.work(number, stop)
        os.write(report, (json.dumps(outcome.to_dict()) + "\n").encode())

    def work(self, number: int, stop: Stop) -> Outcome:
        import torch

        from bench.train.group import Group

        try:
            device = torch.device(choose_device(self.job.local.get("device", "auto")))
            group = Group.join(self.meeting, number, count(self.job), device, beside=len(self.numbers))
        except Exception as error:
            return Outcome("failed", f"{type(error).__name__}: {error}", kind="error", traceback=traceback.format_exc())
        return execute(self.job, self.root, stop=stop, shared_by=self.shared_by, group=group)

    def wait(self, stop: Stop) -> dict[int, Outcome]:
        """Returns when all have ended, by themselves or because one of them has failed."""
        told, deadline = False, float("inf")
        self.stop = stop
        try:
            while self.running or self.links:
                for key, _ in self.selector.select(LOOK):
                    key.data()
                if stop.requested and not told:
                    self.signal(signal.SIGTERM)
                    told = True
                if self.over():
                    deadline = min(deadline, time.monotonic() + GRACE)
                if time.monotonic() > deadline:
                    break
        finally:
            self.end()
            self.selector.close()
        return self.outcomes

    def over(self) -> bool:
        """Whether nothing is to be expected of those that still run."""
        return 0 in self.outcomes or any(o.state in ("failed", "damaged") for o in self.outcomes.values())

    def hear_from(self, source: "int | Connection", hear: Callable[[], object]) -> None:
        """Call `hear` whenever there is something to be heard."""
        self.selector.register(source, selectors.EVENT_READ, hear)

    def link(self, connection: "Connection", numbers: range) -> None:
        """Hear of processes of another machine, too."""
        self.links.append(connection)
        self.hear_from(connection, lambda: self.hear_link(connection, numbers))

    def hear_link(self, connection: "Connection", numbers: range) -> None:
        """One process there has ended, or all have, with their machine."""
        try:
            said = json.loads(connection.recv_bytes())
            self.note(said.pop("rank"), Outcome.from_dict(said))
        except (EOFError, OSError):
            for number in numbers:
                if number not in self.outcomes:
                    self.note(number, Outcome("failed", f"process {number}: its node is gone", kind="died"))
        if all(number in self.outcomes for number in numbers):
            self.selector.unregister(connection)
            self.links.remove(connection)
            connection.close()

    def note(self, number: int, outcome: Outcome) -> None:
        self.outcomes[number] = outcome

    def hear(self, descriptor: int) -> None:
        """What a process says when it ends, or that it ended without a word."""
        rank = self.running.get(descriptor)
        if rank is None:  # ended meanwhile
            return
        data = os.read(descriptor, 1 << 16)
        rank.said += data
        if data:
            return
        status = self.bury(descriptor)
        if rank.said.endswith(b"\n"):
            self.note(rank.number, Outcome.from_dict(json.loads(rank.said)))
        else:
            gone = death(status, stopped=self.stop.requested, kills=memory_kills() - self.kills)
            gone.message = f"process {rank.number} of {count(self.job)}: {gone.message}"
            self.note(rank.number, gone)

    def signal(self, number: int) -> None:
        for rank in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank.pid, number)

    def end(self) -> None:
        """Kill who is left: one that waits for another would wait for long."""
        self.signal(signal.SIGKILL)
        for descriptor in list(self.running):
            self.bury(descriptor)
        for connection in self.links:
            connection.close()
        self.links.clear()
        self.scratch.cleanup()

    def bury(self, descriptor: int) -> int:
        """Returns the status that a process ended with."""
        self.selector.unregister(descriptor)
        os.close(descriptor)
        return os.waitpid(self.running.pop(descriptor).pid, 0)[1]
