"""An allocation of several nodes: a job's processes are on all of them, and the task on the first node leads.

The tasks on the other nodes ask it for work, over and over, at a port that follows from the job's id, and prove that
they know the submission's key. Each answer is one job, or that there are no more.
"""

import contextlib
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from bench.jobs import Job
from bench.launch.local import device_sets
from bench.launch.ranks import Ranks, count
from bench.worker.outcome import Outcome, Stop

KEY = "key"  # file of a submission
ASK = 0.2  # seconds between questions for work


@dataclass(frozen=True)
class Nodes:
    """count: how many there are; host, port: of the first; key: a secret that all of them know."""

    count: int
    host: str
    port: int
    key: str

    @classmethod
    def here(cls, count: int, submission: Path) -> "Nodes":
        """Those of the allocation that this process is part of."""
        port = 20_000 + int(os.environ["SLURM_JOB_ID"]) % 12_000  # below the range of outgoing connections
        return cls(count, os.environ["SLURM_LAUNCH_NODE_IPADDR"], port, (submission / KEY).read_text())

    @contextlib.contextmanager
    def asked(self) -> Iterator[Iterator[tuple[int, Connection]]]:
        """The other nodes as they ask for work: (number of the node, connection), each once."""
        with Listener(("", self.port), backlog=self.count, authkey=self.key.encode()) as listener:
            yield self._accept(listener)

    def _accept(self, listener: Listener) -> Iterator[tuple[int, Connection]]:
        heard: set[int] = set()
        while len(heard) < self.count - 1:
            try:
                connection = listener.accept()
                node = int(connection.recv_bytes())
            except (AuthenticationError, EOFError, OSError, ValueError):
                continue  # a stranger, or one that was killed in the middle
            if node not in heard:
                heard.add(node)
                yield node, connection

    def give(self, ranks: Ranks) -> None:
        """Let the other nodes take part in a job whose processes on this node are started."""
        share = len(ranks.numbers)
        common = {"job": ranks.job.to_json(), "root": str(ranks.root), "shared_by": ranks.shared_by}
        with self.asked() as asking:
            for node, connection in asking:
                meeting = {"host": ranks.meeting.host, "port": ranks.meeting.port}
                order = common | meeting | {"first": node * share, "count": share}
                connection.send_bytes(json.dumps(order).encode())
                ranks.link(connection, range(node * share, (node + 1) * share))

    def dismiss(self) -> None:
        """Tell the other nodes that there is no more work."""
        with self.asked() as asking:
            for _, connection in asking:
                connection.send_bytes(b"null")
                connection.close()

    def ask(self) -> tuple[dict[str, Any] | None, Connection]:
        """Wait for work: (what to do or None for nothing any more, the connection to tell how it went)."""
        while True:
            with contextlib.suppress(OSError, EOFError):
                connection = Client((self.host, self.port), authkey=self.key.encode())
                connection.send_bytes(os.environ["SLURM_PROCID"].encode())
                return json.loads(connection.recv_bytes()), connection
            time.sleep(ASK)


def write_key(submission: Path) -> None:
    """A secret for the allocations of a submission, for its owner's eyes."""
    descriptor = os.open(submission / KEY, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
    finally:
        os.close(descriptor)


def take_part(nodes: Nodes) -> None:
    """What the task on another than the first node does: its share of each job, until there are no more.

    Signals are for the first node, and for the processes of a job, which agree on what they mean.
    """
    from bench.launch.pool import warm_up

    for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    warm_up()
    while True:
        order, connection = nodes.ask()
        with connection:
            if order is None:
                return
            Share.of(order, connection).wait(Stop())


@dataclass
class Share(Ranks):
    """The processes of a job that are on this node; each one's end is told to the first node.

    When the first node hangs up, the job is over.
    """

    lead: Connection | None = None

    @classmethod
    def of(cls, order: dict[str, Any], lead: Connection) -> "Share":
        from bench.train.group import Meeting

        job = Job.from_json(order["job"])
        sets = device_sets(order["count"], job.local.get("device", "auto"))
        numbers = range(order["first"], order["first"] + order["count"])
        assert numbers.stop <= count(job)
        meeting, gpus = Meeting(order["host"], order["port"]), sets[0] if sets else []
        share = cls(job, Path(order["root"]), meeting, numbers, gpus, order["shared_by"], lead=lead)
        share.hear_from(lead, lambda: share.end())
        return share

    def note(self, number: int, outcome: Outcome) -> None:
        super().note(number, outcome)
        assert self.lead is not None
        with contextlib.suppress(OSError):
            self.lead.send_bytes(json.dumps({"rank": number, **outcome.to_dict()}).encode())
