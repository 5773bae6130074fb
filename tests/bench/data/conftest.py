"""What the tests of data share."""

import pytest

from tests.bench.data.small_folder import COUNTS, write_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("images"), COUNTS)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of a new user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "learngene-bench"
