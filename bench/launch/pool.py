"""A warm process: imports torch once, then forks a child for every job, so that a crash or a memory peak stays its own.

Orders come as JSON lines on standard input, outcomes leave as JSON lines on standard output. End of input, or SIGTERM,
asks the children to stop at their next step, with a checkpoint.
"""

import contextlib
import json
import os
import selectors
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.launch.child import child_main, died
from bench.plan import Job
from bench.worker import Outcome, job_from_json


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

    import bench.jobs.work  # noqa: F401
    from bench import provenance

    torch.set_num_threads(1)
    provenance.provenance(torch.device("cpu"), 1)


@dataclass
class Child:
    job: Job
    root: Path
    pid: int
    said: bytes = b""


class Pool:
    def __init__(self, out: int) -> None:
        self.out, self.stopping, self.buffer = out, False, b""
        self.children: dict[int, Child] = {}  # by the descriptor of the child's pipe
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
        job, root = job_from_json(order["job"]), Path(order["root"])
        self.preload(job)
        results, child_end = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            child_main(job, root, order, child_end, parent)
        os.close(child_end)
        self.children[results] = Child(job, root, pid)
        self.selector.register(results, selectors.EVENT_READ)

    def hear(self, results: int) -> None:
        """What a child says; the end of its pipe is its end."""
        child = self.children[results]
        data = os.read(results, 1 << 16)
        if data:
            child.said += data
            return
        self.selector.unregister(results)
        os.close(results)
        del self.children[results]
        _, status = os.waitpid(child.pid, 0)
        outcome = json.loads(child.said) if child.said else asdict(died(child.job, child.root, status))
        self.tell({"id": child.job.id, **outcome})

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
    damaged = message["damaged"]
    return Outcome(message["state"], message["message"], tuple(damaged) if damaged else None)


if __name__ == "__main__":
    sys.exit(main())
