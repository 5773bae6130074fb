"""The tiny suite, run once for all tests that look at its results."""

import fcntl
import os
import shutil

import pytest

from tests.bench.tiny import ONE_RUN, bench, write


@pytest.fixture(scope="session")
def tiny_once(tmp_path_factory):
    """The results, which no test may touch: one run for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-tiny"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            assert bench("run", write(shared), "--launcher", "inline", "--results", shared / "results") == 0
            (shared / "done").touch()
    return shared / "results"


@pytest.fixture
def tiny_results(tiny_once, tmp_path_factory):
    """A copy of this test's own: some do harm to it, and which test comes next is chance."""
    return shutil.copytree(tiny_once, tmp_path_factory.mktemp("tiny") / "results", symlinks=True)


@pytest.fixture
def one_run(tmp_path):
    """A suite that was run, with results in `r`, and the folder of its only run."""
    suite = write(tmp_path, ONE_RUN)
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0
    (folder,) = (tmp_path / "r" / "jobs" / "run").iterdir()
    return suite, folder
