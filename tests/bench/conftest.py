"""The tiny suite, run once for all tests that look at its results."""

import fcntl
import os
import shutil

import pytest

from tests.bench.tiny import bench, write


@pytest.fixture(scope="session")
def tiny_results(tmp_path_factory):
    """A copy of this worker's own: some tests do harm to it."""
    folder = tmp_path_factory.mktemp("tiny")
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-tiny"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            assert bench("run", write(shared), "--launcher", "inline", "--results", shared / "results") == 0
            (shared / "done").touch()
    shutil.copytree(shared / "results", folder / "results", symlinks=True)
    return folder / "results"
