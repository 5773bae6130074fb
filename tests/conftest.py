"""What holds for the whole test session: a cache of its own, one thread, the same draws, and the order of files."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.report.plots import every
from tests.bench.pictures import FEW

CACHE = "XDG_CACHE_HOME"
HERE = Path(__file__).parent
WHOLE = (HERE / "bench" / "report", HERE / "suites")  # what is tested there is reports, of all shapes

gc.disable()  # until all is imported and collected: going through what stays again and again is a sixth of that time

# Before torch is imported, here and in what tests start: several threads would only take the cores from other workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Each run draws the same, and how long a draw takes is no matter; `--hypothesis-profile=search` looks for new ones.
PROFILE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("search", **PROFILE)
settings.register_profile("same", **PROFILE, derandomize=True, database=None)
settings.load_profile("same")

# Files that take or wait long, the longest first. Each worker begins with its share of them, so that none is left alone
# with one at the end: of four, one with each column, in which those are together that share a cluster with accounting.
# fmt: off
LONG = (
    "slurm/test_preemption", "slurm/test_timeout", "slurm/test_failures", "slurm/test_nodes",
    "bench/launch/test_chaos_sample", "slurm/test_accounting", "slurm/test_queue", "bench/store/test_hosts",
    "bench/launch/test_faults", "slurm/test_cluster", "bench/worker/test_out_of_memory", "bench/report/page/test_page",
    "suites/test_suites", "bench/launch/test_ranks", "bench/train/test_group", "bench/jobs/test_fairness",
)
# fmt: on


def pytest_configure(config: pytest.Config) -> None:
    """Give this session, its workers and what they start a cache of their own: the user's is not touched."""
    if not hasattr(config, "workerinput"):
        os.environ[CACHE] = tempfile.mkdtemp(prefix="bench-tests-cache-")


def pytest_unconfigure(config: pytest.Config) -> None:
    gc.unfreeze()  # some libraries count what is left at the end
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[CACHE], ignore_errors=True)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not look through it at each of its rounds."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the long files out to the workers, of which each is first sent as many tests as the others, in order."""
    if not hasattr(config, "workerinput"):
        return
    workers = config.workerinput["workercount"]
    files = [item.path.relative_to(HERE).with_suffix("").as_posix() for item in items]
    hands: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for number, long in enumerate(file for file in LONG if file in files):
        hands[number % workers] += [item for item, file in zip(items, files, strict=True) if file == long]
    others = [item for item, file in zip(items, files, strict=True) if file not in LONG]
    left = len(items)
    for number, hand in enumerate(hands):
        share = left // (workers - number)
        missing = max(0, share - len(hand))
        hand += others[:missing]
        others = others[missing:]
        left -= share
    items[:] = [item for hand in hands for item in hand] + others


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports draw two of their pictures."""
    monkeypatch.setattr(every, "PICTURES", FEW)


@pytest.fixture(autouse=True)
def _few_where_reports_are_beside_the_point(request: pytest.FixtureRequest) -> None:
    if not any(request.path.is_relative_to(folder) for folder in WHOLE):
        request.getfixturevalue("few_pictures")
