"""What the tests of data share."""

import pytest

from tests.bench.data.small_folder import COUNTS, write_folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("images"), COUNTS)
