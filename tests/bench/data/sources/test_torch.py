"""torchvision's data sets, on files in torchvision's own layout."""

import struct

import numpy as np
import pytest
import torch

from bench.data import DataError, DataMissing, DataSettings, describe, load
from bench.data.known import TORCH_SETS


@pytest.fixture(scope="module")
def mnist_root(tmp_path_factory):
    """As many images as MNIST has, of random pixels, in the IDX files of the original."""
    root = tmp_path_factory.mktemp("torchvision")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    train = np.repeat(np.arange(10, dtype=np.uint8), TORCH_SETS["mnist"].train)
    for prefix, labels in (("train", rng.permutation(train)), ("t10k", np.arange(10_000, dtype=np.uint8) % 10)):
        pixels = np.repeat(labels, 28 * 28).reshape(-1, 28, 28) * 20
        head = struct.pack(">IIII", 0x803, len(labels), 28, 28)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(labels)) + labels.tobytes())
    return root


@pytest.mark.parametrize("name", TORCH_SETS)
def test_the_table_is_consistent(name, tmp_path):
    import torchvision.datasets

    known = TORCH_SETS[name]
    assert hasattr(torchvision.datasets, known.cls)
    assert sum(known.train) == known.sizes["train"] and known.sizes.keys() == known.parts.keys()
    assert len(known.classes) in (0, len(known.train))
    fetched_later = {"name": name, "root": str(tmp_path / "new"), "download": True}
    description = describe(DataSettings.model_validate(fetched_later))
    assert not (tmp_path / "new").exists()
    assert sum(description.counts.values()) == sum(known.sizes.values())


def test_mnist(mnist_root):
    settings = DataSettings.model_validate({"name": "mnist", "root": str(mnist_root)})
    dataset = load(settings)
    assert dataset.description == describe(settings, hashed=False)
    assert {p: getattr(dataset, p).n for p in ("train", "val", "test")} == {
        "train": 58_800,
        "val": 1200,
        "test": 10_000,
    }
    for split in (dataset.train, dataset.val, dataset.test):
        images, labels = next(split.batches([torch.arange(50, 90)], epoch=0, seed=0))
        expected = (labels[:, None, None, None] * 20 / 255 - 0.1307) / 0.3081
        assert torch.allclose(images, expected.expand(40, 1, 28, 28), atol=1e-5)
        assert torch.equal(labels, split.labels[50:90])


def test_another_size_is_decoded(mnist_root):
    settings = DataSettings.model_validate({"name": "mnist", "root": str(mnist_root), "img_size": 32})
    assert not settings.in_memory
    images, labels = next(load(settings).test.batches([torch.arange(4)], epoch=0, seed=0))
    assert images.shape == (4, 1, 32, 32) and labels.tolist() == [0, 1, 2, 3]
    assert torch.allclose(images[3], torch.tensor((60 / 255 - 0.1307) / 0.3081), atol=1e-5)


def test_missing_files_and_wrong_counts(mnist_root, tmp_path, monkeypatch):
    settings = DataSettings.model_validate("cifar10")
    monkeypatch.delenv("BENCH_DATA", raising=False)
    with pytest.raises(DataMissing, match="BENCH_DATA is not set"):
        describe(settings)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    with pytest.raises(DataMissing, match="no cifar-10-batches-py .*download: true"):
        describe(settings)
    (tmp_path / "cifar-10-batches-py").mkdir()
    describe(settings)
    with pytest.raises(DataMissing, match="cifar10: .*not found or corrupted"):
        load(settings)
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist_root / "MNIST" / "raw").iterdir():
        (raw / file.name.replace("train", "t10k")).write_bytes(file.read_bytes())
        (raw / file.name.replace("t10k", "train")).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match="images in .*expected"):
        load(DataSettings.model_validate("mnist"))
