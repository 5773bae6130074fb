"""A job on two "nodes" of this machine: the tasks meet in the store, whoever else comes to its port."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.launch.nodes import Nodes, lead, take_part
from bench.launch.pool import warm_up
from bench.processes import fork
from bench.store import Store, log
from bench.worker.execute import Stop
from tests.bench.plans import Planner

HOST = "127.0.0.1"


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Imported once, before anything is forked."""
    warm_up()


@pytest.fixture
def port() -> Iterator[int]:
    """A free port, held so that nobody else is given it; several may be bound to one until somebody listens."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def test_the_store_listens_at_the_address_that_is_needed_and_at_no_other(port: int) -> None:
    store = Nodes(2, HOST, port).store(first=True)
    store.set("key", "value")
    assert Nodes(2, HOST, port).store().get("key") == b"value"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


def test_strangers_do_not_halt_a_job_of_two_nodes(tmp_path: Path, port: int) -> None:
    """One says nothing for as long as the jobs take, one hangs up at once, two speak something else."""
    plan = Planner(tmp_path)("gpus_per_run=2", "train.epochs=1", only=["random-L1-*-s0"])
    jobs, root, nodes = list(plan.jobs.values()), tmp_path / "r", Nodes(2, HOST, port)
    other = fork(lambda: take_part(nodes, 1, jobs, root))  # is there before the store is
    with contextlib.ExitStack() as strangers:
        store = nodes.store(first=True)
        strangers.enter_context(socket.create_connection((HOST, nodes.port)))
        socket.create_connection((HOST, nodes.port)).close()
        for words in (b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 100):
            strangers.enter_context(socket.create_connection((HOST, nodes.port))).sendall(words)
        for job in jobs:
            outcome = lead(nodes, job, root, gpus=[], stop=Stop())
            assert outcome.state == "done", outcome
        nodes.dismiss(store)
    assert os.waitpid(other, 0)[1] == 0
    for job in jobs:
        folder = Store(root).job(job)
        result = folder.result()
        assert result is not None and result["devices"] == 2 and log.count(folder.log, "done") == 1


def test_what_fails_on_the_other_node_fails_the_job_with_its_cause(tmp_path: Path, port: int) -> None:
    """It has no GPU: the first node hears why, and writes it."""
    plan = Planner(tmp_path)("gpus_per_run=2", "train.epochs=1", only=["random-L1-*-s0"])
    jobs, root, nodes = list(plan.jobs.values()), tmp_path / "r", Nodes(2, HOST, port)
    for job in jobs:
        job.local["device"] = "cpu"
    broken = [type(job)(**vars(job) | {"local": job.local | {"device": "cuda"}}) for job in jobs]
    other = fork(lambda: take_part(nodes, 1, broken, root))
    store = nodes.store(first=True)
    outcome = lead(nodes, jobs[0], root, gpus=[], stop=Stop())
    nodes.dismiss(store)
    assert os.waitpid(other, 0)[1] == 0
    assert outcome.state == "failed" and "torch sees no GPU here" in outcome.message, outcome
    failure = Store(root).job(jobs[0]).failure()
    assert failure is not None and failure["error"] == outcome.message and failure["kind"] == "error"
