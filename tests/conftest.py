"""What holds for the whole test session: a cache of its own, one thread, the same draws, and the order of files."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.report.plots import canvas, every
from tests.bench import pictures

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

# Files that take or wait long, the longest first, or whose fixture does, which workers that share the file at the end
# would each make. Each worker begins with its share of them, so that none is left alone with one at the end: of three,
# one with each column, in which those are together that share a warm process, or a cluster with accounting.
# fmt: off
LONG = (
    "bench/launch/test_faults", "slurm/test_timeout", "slurm/test_preemption",
    "bench/store/test_hosts", "slurm/test_nodes", "slurm/test_failures",
    "bench/launch/test_chaos_sample", "slurm/test_accounting", "bench/report/page/test_page",
    "bench/console/test_install", "slurm/test_cluster", "bench/worker/test_out_of_memory",
    "bench/launch/test_ranks", "slurm/test_queue", "bench/jobs/parts/test_fairness",
    "bench/train/test_group", "suites/test_suites",
)
# fmt: on


def pytest_configure(config: pytest.Config) -> None:
    """Give this session, its workers and what they start a cache of their own: the user's is not touched."""
    if not hasattr(config, "workerinput"):
        os.environ[CACHE] = tempfile.mkdtemp(prefix="bench-tests-cache-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[CACHE], ignore_errors=True)


def pytest_collection_finish() -> None:
    """What is imported by now stays: the collector need not look through it at each of its rounds, nor now."""
    gc.freeze()
    gc.enable()
    atexit.register(gc.unfreeze)  # some libraries count what is left in the end, after pytest's own five collections


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


@pytest.fixture(scope="session", autouse=True)
def _few_pictures_in_all_of_the_session() -> None:
    """Before other fixtures of a session or module make reports."""
    pictures.few()


@pytest.fixture(autouse=True)
def _all_where_reports_are_tested(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(request.path.is_relative_to(folder) for folder in WHOLE):
        monkeypatch.setattr(every, "PICTURES", pictures.ALL)


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports draw two of their pictures, there too."""
    monkeypatch.setattr(every, "PICTURES", pictures.FEW)


@pytest.fixture
def every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are saved in all formats, not in one: the drawing is the same, the saving thrice as much."""
    monkeypatch.setattr(canvas, "FORMATS", pictures.FORMATS)
