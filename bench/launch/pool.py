"""A warm process: imports torch once, then forks a child per slot, so that a crash or a memory peak stays its own.

Forking a process that holds torch takes tens of milliseconds, so a child does jobs until it has worked for RECYCLE
seconds: a long job has a process to itself, short ones share one. Orders come as JSON lines on standard input,
outcomes leave as JSON lines on standard output. End of input, or SIGTERM, asks the children to stop at their next
step, with a checkpoint.
"""

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.jobs.model import Job
from bench.launch.child import died, leave_after, memory_kills, serve
from bench.worker.outcome import Outcome
from bench.worker.process import preload

PATIENCE = 60.0  # seconds for children to leave where no launcher is there any more to say when
RECYCLE = 5.0  # seconds of work after which a child does no further job


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher answers Ctrl-C for all
    warm_up()
    pool = Pool(out=os.dup(1))
    os.dup2(2, 1)  # what libraries print is no message
    signal.signal(signal.SIGTERM, lambda *_: pool.stop())
    pool.tell({"ready": True})
    pool.serve()
    return 0


def warm_up() -> None:
    """Import and compute once what every job would otherwise do again."""
    import torch

    from bench import provenance

    preload()

    torch.set_num_threads(1)
    provenance.provenance(torch.device("cpu"), 1)


@dataclass
class Child:
    """A forked process that does the jobs of one slot."""

    pid: int
    orders: int  # descriptor that it reads orders from
    job: Job | None = None
    root: Path = Path()
    since: float = 0.0
    worked: float = 0.0
    said: bytes = b""
    kills: int = 0  # processes killed for memory before its job

    def close_orders(self) -> None:
        """Tell it to leave. The descriptor's number is forgotten: the system gives it to others."""
        if self.orders >= 0:
            os.close(self.orders)
            self.orders = -1


class Pool:
    def __init__(self, out: int) -> None:
        self.out, self.stopping, self.buffer = out, False, b""
        self.deadline = 0.0  # when children that were told to stop are killed
        self.slots: dict[int, int] = {}  # slot -> descriptor of its child's results
        self.children: dict[int, Child] = {}  # by that descriptor
        self.loaded: set[str] = set()
        self.selector = selectors.DefaultSelector()
        self.selector.register(0, selectors.EVENT_READ)

    def serve(self) -> None:
        while self.children or not self.stopping:
            for key, _ in self.selector.select(1.0):
                if key.fd == 0:
                    self.read_orders()
                else:
                    self.hear(key.fd)
            if self.stopping:
                self.stopped()

    def stopped(self) -> None:
        """Who waits for an order does not notice a signal, but the end of orders; who is stuck notices neither."""
        self.deadline = self.deadline or time.monotonic() + PATIENCE
        for child in self.children.values():
            child.close_orders()
            if time.monotonic() > self.deadline:
                os.kill(child.pid, signal.SIGKILL)

    def tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.out, (json.dumps(message) + "\n").encode())

    def stop(self) -> None:
        """Take no more orders; children save and leave."""
        self.stopping = True
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)

    def read_orders(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            self.selector.unregister(0)
            self.stop()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if not self.stopping:
                self.start(json.loads(line))

    def start(self, order: dict[str, Any]) -> None:
        """Give a job to its slot's child, or to a fresh one."""
        job, slot = Job.from_json(order["job"]), order.get("slot", 0)
        self.preload(job)
        child = self.children.get(self.slots.get(slot, -1))
        if child is None or child.worked > RECYCLE:
            child = self.fork(slot)
        child.job, child.root, child.since = job, Path(order["root"]), time.monotonic()
        child.kills = memory_kills()
        with contextlib.suppress(BrokenPipeError):  # its death is noticed by its other pipe
            data = memoryview((json.dumps(order) + "\n").encode())
            while data:
                data = data[os.write(child.orders, data) :]

    def fork(self, slot: int) -> Child:
        """A new child for a slot; the one before it leaves when it finds its orders closed."""
        if slot in self.slots:
            self.children[self.slots[slot]].close_orders()
        results, child_results = os.pipe()
        child_orders, orders = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            for other, child in self.children.items():
                os.close(other)
                child.close_orders()
            os.close(orders)
            os.close(results)
            leave_after(lambda: serve(child_orders, child_results, parent))
        os.close(child_results)
        os.close(child_orders)
        child = self.children[results] = Child(pid, orders)
        self.slots[slot] = results
        self.selector.register(results, selectors.EVENT_READ)
        return child

    def hear(self, results: int) -> None:
        """What a child says; the end of its pipe is its end."""
        child = self.children[results]
        data = os.read(results, 1 << 16)
        child.said += data
        *lines, child.said = child.said.split(b"\n")
        for line in lines:
            assert child.job is not None
            self.finish(child, json.loads(line))
        if not data:
            self.bury(results, child)

    def finish(self, child: Child, outcome: dict[str, Any]) -> None:
        assert child.job is not None
        self.tell({"id": child.job.id, **outcome})
        child.worked += time.monotonic() - child.since
        child.job = None

    def bury(self, results: int, child: Child) -> None:
        """A child is gone. If it had a job, that job went with it."""
        self.selector.unregister(results)
        os.close(results)
        del self.children[results]
        for slot in [slot for slot, current in self.slots.items() if current == results]:
            del self.slots[slot]
        child.close_orders()
        _, status = os.waitpid(child.pid, 0)
        if child.job is not None:
            self.finish(
                child,
                asdict(died(child.job, child.root, status, stopped=self.stopping, kills=memory_kills() - child.kills)),
            )

    def preload(self, job: Job) -> None:
        """Read small built-in data before the fork. Trouble is left to the job, which fails with it."""
        data = job.local.get("data", {})
        if data.get("source") == "builtin" and data["name"] not in self.loaded:
            self.loaded.add(data["name"])
            with contextlib.suppress(Exception):
                import torch

                from bench.data import DataSettings, load

                load(DataSettings.model_validate(data), torch.device("cpu"))


def to_outcome(message: dict[str, Any]) -> Outcome:
    """What a pool told of a job."""
    return Outcome.from_dict({name: value for name, value in message.items() if name != "id"})


if __name__ == "__main__":
    ended = main()
    sys.stderr.flush()
    os._exit(ended)  # taking torch down takes seconds on a busy machine
