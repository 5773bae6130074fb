"""Small stand-ins for the data sets of the suites: the real folder layout, a few JPEG images of three classes."""

from pathlib import Path

import pytest

from tests.bench.jpegs import write_images

SYNSETS = ["n01440764", "n01443537", "n01484850"]
KINDS = ["ant", "bee", "cat"]
FOLDERS = {"cub200": "test", "stanford_cars": "test", "inat2019": "val"}  # -> the part beside train
TORCH = ("cifar10", "cifar100", "flowers102", "food101")  # torchvision's own files hold thousands: folders stand in


def write_data(root: Path) -> Path:
    """imagenet, the folders that suites expect, and folders for what torchvision keeps."""
    write_images(root / "imagenet", SYNSETS, {"train": 11, "val": 4}, size=36)
    for name, test in FOLDERS.items():
        write_images(root / name, KINDS, {"train": 9, test: 2}, size=36)
    for name in TORCH:
        write_images(root / name, KINDS, {"train": 9, "test": 3}, size=36)
    return root


def folder(root: Path, name: str, **fields: object) -> str:
    """A data set of the suites, read from the folder that stands in for it, as a value for --set."""
    known = {"name": name, "source": "folder", "root": root / name, **fields}
    return "{" + ", ".join(f"{key}: {value}" for key, value in known.items()) + "}"


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def roots(data, monkeypatch):
    """The variables that suites name their data by."""
    monkeypatch.setenv("IMAGENET", str(data / "imagenet"))
    monkeypatch.setenv("BENCH_DATA", str(data))
    return data
