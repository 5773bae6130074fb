"""An allocation of several nodes: a job's processes are on all of them, and the task on the first node leads.

The tasks are plain ones of srun, which meet at the address of the first node, at a port that follows from the job's id,
in a key-value store of torch's. There the first task writes whose turn it is, an identity for each turn, and the others
how their processes ended. What they are to do is in the submission: nobody who reaches the port can make them do
anything else.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs.model import Job
from bench.launch.devices import device_sets
from bench.launch.ranks import Ranks, count, settle
from bench.worker.outcome import Outcome, Stop

if TYPE_CHECKING:
    from torch.distributed import TCPStore

PATIENCE = timedelta(days=100)  # for the next turn: it is Slurm that ends an allocation
ASK = 0.1  # seconds between looks at whether the others have left
TURNS, LEFT = "turns", "left"  # keys of numbers: of turns so far, and of nodes that know that there are no more


@dataclass(frozen=True)
class Nodes:
    """count: how many there are; host, port: where the first of them has the store."""

    count: int
    host: str
    port: int

    @classmethod
    def here(cls, count: int) -> "Nodes":
        """Those of the allocation that this process is part of."""
        port = 20_000 + int(os.environ["SLURM_JOB_ID"]) % 12_000  # below the range of outgoing connections
        return cls(count, os.environ["SLURM_LAUNCH_NODE_IPADDR"], port)

    def store(self, *, first: bool = False) -> "TCPStore":
        """Connect to the store, waited for; `first` has it in this process, at that address of it alone."""
        from torch.distributed import TCPStore

        server: dict[str, Any] = {}
        if first:
            server["master_listen_fd"] = socket.create_server((self.host, self.port)).detach()
        return TCPStore(self.host, self.port, is_master=first, timeout=PATIENCE, wait_for_workers=False, **server)

    def dismiss(self, store: "TCPStore") -> None:
        """Tell the other nodes that there is no more work, and wait until all of them know."""
        store.set(turn_key(store.add(TURNS, 1)), "null")
        while store.add(LEFT, 0) < self.count - 1:
            time.sleep(ASK)


def turn_key(turn: int) -> str:
    return f"turn {turn}"


def over_key(turn: int) -> str:
    return f"turn {turn} is over"


def outcome_key(turn: int, rank: int) -> str:
    return f"turn {turn}: outcome {rank}"


def lead(nodes: Nodes, job: Job, root: Path, *, gpus: list[str], stop: Stop, shared_by: int = 1) -> Outcome:
    """Do a job by `gpus_per_run` processes, an equal share of which is on each node; this is the first.

    gpus: one for each process here, none on the CPU. The caller must not have used a GPU.
    """
    from bench.train.group import Meeting

    store, share = nodes.store(), count(job) // nodes.count
    turn = store.add(TURNS, 1)
    with socket.create_server((nodes.host, 0)) as listener:  # at the address by which the others come, at no other
        port = listener.getsockname()[1]
        meeting = Meeting(nodes.host, port, listener.fileno())
        lead = Lead(job, root, meeting, range(share), gpus, shared_by, store=store, turn=turn)
    store.set(turn_key(turn), json.dumps({"job": job.id, "port": port}))
    return settle(job, root, lead.wait(stop))


@dataclass(kw_only=True)
class Lead(Ranks):
    """The processes of a job that are on the first node, which hears of those on the others."""

    store: "TCPStore"
    turn: int
    elsewhere: set[int] = field(default_factory=set)  # not known to have ended

    def __post_init__(self) -> None:
        super().__post_init__()
        self.elsewhere = set(range(self.numbers.stop, count(self.job)))

    def others(self) -> bool:
        for number in sorted(self.elsewhere):
            key = outcome_key(self.turn, number)
            if self.store.check([key]):
                self.elsewhere.remove(number)
                self.note(number, Outcome.from_dict(json.loads(self.store.get(key))))
        return bool(self.elsewhere)

    def end(self) -> None:
        super().end()
        with contextlib.suppress(RuntimeError):  # the store is gone with the task that began the job
            self.store.set(over_key(self.turn), "")


def take_part(nodes: Nodes, node: int, jobs: list[Job], root: Path) -> None:
    """Do what the task on another than the first node does: its share of each job, until there are no more.

    Signals are for the first node, and for the processes of a job, which agree on what they mean.
    """
    for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    store, job_of = nodes.store(), {job.id: job for job in jobs}
    for turn in itertools.count(1):
        order = json.loads(store.get(turn_key(turn)))
        if order is None:
            store.add(LEFT, 1)
            return
        Share.of(job_of[order["job"]], root, nodes, node, int(order["port"]), store, turn).wait(Stop())


@dataclass(kw_only=True)
class Share(Ranks):
    """The processes of a job that are on another node; each one's end is told to the first."""

    store: "TCPStore"
    turn: int

    @classmethod
    def of(cls, job: Job, root: Path, nodes: Nodes, node: int, port: int, store: "TCPStore", turn: int) -> "Share":
        from bench.train.group import Meeting

        share = count(job) // nodes.count
        sets = device_sets(share, job.local.get("device", "auto"))
        numbers, gpus = range(node * share, (node + 1) * share), sets[0] if sets else []
        return cls(job, root, Meeting(nodes.host, port), numbers, gpus, store=store, turn=turn)

    def over(self) -> bool:
        """Whether the first node has ended the job, or one here has failed."""
        return super().over() or self.store.check([over_key(self.turn)])

    def note(self, number: int, outcome: Outcome) -> None:
        super().note(number, outcome)
        with contextlib.suppress(RuntimeError):  # the first node is gone, and Slurm ends the others
            self.store.set(outcome_key(self.turn, number), json.dumps(outcome.to_dict()))
