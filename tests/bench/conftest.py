"""The tiny suite, run once in this process for all tests that look at its results."""

import pytest

from tests.bench.tiny import bench, write


@pytest.fixture(scope="session")
def tiny_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    assert bench("run", write(folder), "--launcher", "inline", "--results", folder / "results") == 0
    return folder / "results"
