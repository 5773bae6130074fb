"""The processes of a job that trains on several devices: forked together, watched, and ended together."""

import contextlib
import os
import signal
import socket
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs.model import Job
from bench.launch.devices import visible
from bench.launch.messages import receive, send
from bench.launch.processes import death, memory_kills
from bench.processes import die_with_parent, fork
from bench.store import Store
from bench.worker.execute import execute
from bench.worker.outcome import Outcome, Stop, fail
from bench.worker.process import choose_device

if TYPE_CHECKING:
    from bench.train.group import Meeting

LOCAL = "127.0.0.1"
LOOK = 0.2  # seconds between looks at whether somebody wants us to stop
GRACE = 3.0  # seconds for the others to leave by themselves, after one has failed or the first is done


def count(job: Job) -> int:
    """How many processes do the job together."""
    return job.local.get("gpus_per_run", 1)


def run(job: Job, root: Path, *, gpus: list[str], stop: Stop, shared_by: int = 1) -> Outcome:
    """Do a job by `gpus_per_run` processes of this machine. gpus: one for each; none: on the CPU.

    The caller must not have used a GPU, since what it forks could not then.
    """
    from bench.train.group import Meeting

    with socket.create_server((LOCAL, 0)) as listener:
        meeting = Meeting(LOCAL, listener.getsockname()[1], listener.fileno())
        ranks = Ranks(job, root, meeting, range(count(job)), gpus, shared_by)
    return settle(job, root, ranks.wait(stop))


def settle(job: Job, root: Path, outcomes: dict[int, Outcome]) -> Outcome:
    """Tell how a job ended, from what its processes said, in the order in which they did; a failure is written."""
    first = outcomes.get(0)
    if first is not None and first.state != "failed":
        return first
    folder = Store(root).job(job)
    if folder.done():
        return Outcome("done")
    bad = [outcome for outcome in outcomes.values() if outcome.state not in ("done", "busy")]
    killed = [outcome for outcome in bad if outcome.kind in ("died", "memory") and not outcome.traceback]
    cause = (killed or bad)[0]  # that another is gone makes all others fail
    return fail(folder, cause) if cause.state == "failed" else cause


@dataclass
class Rank:
    number: int
    pid: int


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
    shared_by: int = 1
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # in the order in which they came
    running: dict[Connection, Rank] = field(default_factory=dict)

    def __post_init__(self) -> None:
        import bench.jobs.parts.initialised  # noqa: F401  torch, once for all that are forked

        self.scratch = tempfile.TemporaryDirectory(prefix="bench-ranks-", ignore_cleanup_errors=True)
        self.kills = memory_kills()
        for place, number in enumerate(self.numbers):
            self.start(number, self.gpus[place] if self.gpus else None)

    def start(self, number: int, gpu: str | None) -> None:
        ours, theirs = Pipe(duplex=False)
        parent = os.getpid()

        def work() -> None:
            for other in (ours, *self.running):
                other.close()
            self.serve(number, gpu, theirs, parent)

        self.running[ours] = Rank(number, fork(work))
        theirs.close()

    def serve(self, number: int, gpu: str | None, report: Connection, parent: int) -> None:
        """What a forked process does: its part of the job, and tell how it ended."""
        stop = Stop()
        signal.signal(signal.SIGTERM, stop)
        for ignored in (signal.SIGINT, signal.SIGUSR2):  # are for whoever started the job
            signal.signal(ignored, signal.SIG_IGN)
        die_with_parent(parent, signal.SIGKILL)  # who else would end it, should it be stuck
        tempfile.tempdir = self.scratch.name  # what is killed leaves nothing behind
        if gpu is not None:
            os.environ.update(visible([gpu]))
        send(report, self.work(number, stop).to_dict())

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
        """Wait until all have ended, by themselves or because one of them has failed."""
        told, deadline = False, float("inf")
        try:
            while self.others() or self.running:  # both at each turn: others may fail while ours wait for them
                for connection in wait(list(self.running), LOOK):
                    assert isinstance(connection, Connection)
                    self.hear(connection, stop)
                if stop.requested and not told:
                    self.signal(signal.SIGTERM)
                    told = True
                if self.over():
                    deadline = min(deadline, time.monotonic() + GRACE)
                if time.monotonic() > deadline:
                    break
        finally:
            self.end()
        return self.outcomes

    def others(self) -> bool:
        """Whether processes of other machines are still waited for; takes in how those ended that did."""
        return False

    def over(self) -> bool:
        """Whether nothing is to be expected of those that still run."""
        return 0 in self.outcomes or any(o.state in ("failed", "damaged") for o in self.outcomes.values())

    def note(self, number: int, outcome: Outcome) -> None:
        self.outcomes[number] = outcome

    def hear(self, connection: Connection, stop: Stop) -> None:
        """Take in what a process says when it ends, or that it ended without a word."""
        rank = self.running[connection]
        try:
            outcome = Outcome.from_dict(receive(connection))
            self.bury(connection)
        except EOFError:
            status = self.bury(connection)
            outcome = death(status, stopped=stop.requested, kills=memory_kills() - self.kills)
            outcome.message = f"process {rank.number} of {count(self.job)}: {outcome.message}"
        self.note(rank.number, outcome)

    def signal(self, number: int) -> None:
        for rank in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(rank.pid, number)

    def end(self) -> None:
        """Kill who is left: one that waits for another would wait for long."""
        self.signal(signal.SIGKILL)
        for connection in list(self.running):
            self.bury(connection)
        self.scratch.cleanup()

    def bury(self, connection: Connection) -> int:
        """Returns the status that a process ended with, waited for."""
        connection.close()
        return os.waitpid(self.running.pop(connection).pid, 0)[1]
