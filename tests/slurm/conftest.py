"""The cluster that the Slurm tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One cluster for the whole test session: the one of `TEST_SLURM_DIR` if that is set, else one of its own."""
    if why := missing():
        pytest.skip(f"no Slurm here: {why}")
    if shared := os.environ.get("TEST_SLURM_DIR"):
        yield Cluster(Path(shared)).up()
        return
    own = Cluster(Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp")))
    try:
        yield own.up()
    finally:
        own.down()


@pytest.fixture
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, empty, and this process's environment set so that client commands and submitit find it."""
    env = cluster.env()
    for name in os.environ.keys() - env.keys():
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    yield cluster.up()
    cluster.clear()
