"""A warm process: imports torch once, then forks a child per slot, so that a crash or a memory peak stays its own.

Forking a process that holds torch takes tens of milliseconds, so a child does jobs until it has worked for RECYCLE
seconds: a long job has a process to itself, short ones share one. Orders come, and outcomes leave, by a connection that
the launcher hands down; an order of null is the last. After it, when the launcher is gone, or by SIGTERM, the children
are asked to stop at their next step, with a checkpoint.
"""

import contextlib
import gc
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import methods
from bench.collector import collector_at_rest
from bench.data import DataSettings
from bench.jobs import Job, description_of
from bench.launch.child import serve
from bench.launch.messages import receive, send
from bench.launch.processes import died, memory_kills
from bench.processes import fork

PATIENCE = 60.0  # seconds for children to leave where no launcher is there any more to say when
RECYCLE = 5.0  # seconds of work after which a child does no further job


def main(launcher: int) -> int:
    """Serve a launcher until it is gone. launcher: the descriptor of the connection to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher answers Ctrl-C for all
    warm_up()
    pool = Pool(Connection(launcher))
    signal.signal(signal.SIGTERM, lambda *_: pool.stop())
    pool.serve()
    return 0


@collector_at_rest()
def warm_up() -> None:
    """Import and compute once what every job would otherwise do again, and keep the collector away from it.

    What modules consist of stays. The collector would go through it again and again while they are imported, which is a
    sixth of the time; and a full round of it in a child takes 0.3 s and copies 110 MB that children share.
    """
    # not above: the command that starts the pools does without torch
    import torch

    from bench import provenance
    from bench.worker.process import preload

    preload()
    methods.registry.entries()
    torch.set_num_threads(1)
    provenance.provenance(torch.device("cpu"), 1)
    gc.freeze()


@dataclass
class Child:
    """A forked process that does the jobs of one slot."""

    pid: int
    slot: int
    job: Job | None = None
    root: Path = Path()
    since: float = 0.0
    worked: float = 0.0
    kills: int = 0  # processes killed for memory before its job
    dismissed: bool = False  # told to leave


class Pool:
    def __init__(self, launcher: Connection) -> None:
        self.launcher, self.stopping, self.listening = launcher, False, True
        self.deadline = 0.0  # when children that were told to stop are killed
        self.slots: dict[int, Connection] = {}
        self.children: dict[Connection, Child] = {}
        self.loaded: set[str] = set()

    def serve(self) -> None:
        while self.children or not self.stopping:
            sources = [*([self.launcher] if self.listening else []), *self.children]
            for source in wait(sources, 1.0):
                assert isinstance(source, Connection)
                if source is self.launcher:
                    self.hear_launcher()
                else:
                    self.hear(source)
            if self.stopping:
                self.stopped()

    def stopped(self) -> None:
        """Who waits for an order does not notice a signal, but the last order; who is stuck notices neither."""
        self.deadline = self.deadline or time.monotonic() + PATIENCE
        for connection, child in self.children.items():
            self.dismiss(connection)
            if time.monotonic() > self.deadline:
                os.kill(child.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Take no more orders; children save and leave."""
        self.stopping = True
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)

    def dismiss(self, connection: Connection) -> None:
        child = self.children[connection]
        if not child.dismissed:
            send(connection, None)
            child.dismissed = True

    def hear_launcher(self) -> None:
        try:
            order = receive(self.launcher)
        except EOFError:
            order = None
        if order is None:
            self.listening = False
            self.stop()
        elif not self.stopping:
            self.start(order)

    def start(self, order: dict[str, Any]) -> None:
        """Give a job to its slot's child, or to a fresh one."""
        job, slot = Job.from_json(order["job"]), order["slot"]
        self.preload(job)
        connection = self.slots.get(slot)
        if connection is None or self.children[connection].worked > RECYCLE:
            connection = self.fork(slot)
        child = self.children[connection]
        child.job, child.root, child.since = job, Path(order["root"]), time.monotonic()
        child.kills = memory_kills()
        send(connection, order)

    def fork(self, slot: int) -> Connection:
        """Fork a child for a slot; the one before it leaves."""
        if slot in self.slots:
            self.dismiss(self.slots[slot])
        ours, theirs = Pipe()
        parent = os.getpid()

        def work() -> None:
            for other in (ours, self.launcher, *self.children):
                other.close()
            serve(theirs, parent)

        self.children[ours] = Child(fork(work), slot)
        theirs.close()
        self.slots[slot] = ours
        return ours

    def hear(self, connection: Connection) -> None:
        """Take in how a child's job ended, or its own end."""
        try:
            outcome = receive(connection)
        except EOFError:
            self.bury(connection)
        else:
            self.finish(self.children[connection], outcome)

    def finish(self, child: Child, outcome: dict[str, Any]) -> None:
        assert child.job is not None
        send(self.launcher, {"id": child.job.id, "outcome": outcome})
        child.worked += time.monotonic() - child.since
        child.job = None

    def bury(self, connection: Connection) -> None:
        """A child is gone. If it had a job, that job went with it."""
        connection.close()
        child = self.children.pop(connection)
        if self.slots.get(child.slot) is connection:
            del self.slots[child.slot]
        _, status = os.waitpid(child.pid, 0)
        if child.job is not None:
            kills = memory_kills() - child.kills
            outcome = died(child.job, child.root, status, stopped=self.stopping, kills=kills)
            self.finish(child, outcome.to_dict())

    def preload(self, job: Job) -> None:
        """Read small built-in data before the fork. Trouble is left to the job, which fails with it."""
        data = description_of(job).data
        if data.source == "builtin" and data.name not in self.loaded:
            self.loaded.add(data.name)
            with contextlib.suppress(Exception):
                # not above: as in `warm_up`
                import torch

                from bench.data import load

                load(DataSettings.model_validate(data.settings), torch.device("cpu"))


if __name__ == "__main__":
    code = main(int(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # taking torch down takes seconds on a busy machine
