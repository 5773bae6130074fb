"""The clusters that the Slurm tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.debian import missing, needs

PREFIX = "slurm-pytest-"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests wait for what a real cluster does in real time: on a machine under load one gets a second chance."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _own(name: str, **settings: bool) -> Iterator[Cluster]:
    """A cluster for this process only, which also clears away what killed test sessions have left."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX).split("-")[0])):
            if (folder / "slurm.conf").exists():
                Cluster(folder).down()
            shutil.rmtree(folder, ignore_errors=True)  # what was killed while it deleted this
    own = Cluster(Path(f"/tmp/{PREFIX}{os.getpid()}-{name}"), **settings).up()
    try:
        yield own
    finally:
        own.down()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One cluster for the whole test session: the one of `TEST_SLURM_DIR` if that is set, else one of its own."""
    if why := missing():
        pytest.skip(f"no Slurm here: {why}")
    if shared := os.environ.get("TEST_SLURM_DIR"):
        yield Cluster(Path(shared)).up()
    else:
        yield from _own("a")


@pytest.fixture(scope="session")
def cluster_with_sacct() -> Iterator[Cluster]:
    """One with accounting, which takes some seconds to start."""
    if why := missing(needs(with_sacct=True)):
        pytest.skip(f"no Slurm with accounting here: {why}")
    yield from _own("b", with_sacct=True)


def _lend(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    env = cluster.env()
    for name in os.environ.keys() - env.keys():
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    yield cluster.up()
    cluster.clear()


@pytest.fixture
def slurm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, empty, and this process's environment set so that client commands and submitit find it."""
    yield from _lend(cluster, monkeypatch)


@pytest.fixture
def slurm_with_sacct(cluster_with_sacct: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """As `slurm`, with accounting."""
    yield from _lend(cluster_with_sacct, monkeypatch)
