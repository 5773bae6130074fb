import pytest

from tests.bench.jpegs import write_images


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Three classes of 32 images to train on and 8 to test."""
    return write_images(tmp_path_factory.mktemp("colours"), ["ant", "bee", "cat"], {"train": 32, "val": 8})
