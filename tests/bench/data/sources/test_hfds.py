"""Hugging Face data sets saved to disk."""

import importlib.util
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from bench.data import AugmentSettings, DataError, DataMissing, DataSettings, describe, load


def settings(root, **fields):
    return DataSettings.model_validate(
        {"name": "saved", "source": "hfds", "root": str(root), "img_size": 16, "val_fraction": 0.2, **fields}
    )


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="datasets is installed")
def test_without_the_package_it_is_named(tmp_path):
    with pytest.raises(DataError, match=r"pip install 'learngene-bench\[hf\]'"):
        describe(settings(tmp_path))


def picture(i, suffix="png"):
    file = io.BytesIO()
    Image.fromarray(np.full((20, 20, 3), 10 * i, dtype=np.uint8)).save(file, format=suffix)
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["zebra", "ape"]))
    parts = {
        part: datasets.Dataset.from_dict(
            {"image": [picture(i) for i in range(n)], "label": [i % 2 for i in range(n)]}, features=features
        )
        for part, n in (("train", 20), ("validation", 6))
    }
    root = tmp_path_factory.mktemp("saved")
    datasets.DatasetDict(parts).save_to_disk(str(root))
    return root


def test_counts_classes_and_pixels(saved):
    description = describe(settings(saved))
    assert description.classes == ("zebra", "ape")
    assert description.counts == {"train": 16, "val": 4, "test": 6}
    order = torch.arange(6).flip(0).split(4)
    for workers in (0, 2):
        dataset = load(settings(saved, workers=workers))
        images, labels = zip(*dataset.test.batches(order, epoch=0, seed=0), strict=True)
        levels = torch.arange(6).flip(0).view(6, 1, 1, 1) * 10 / 255
        expected = (levels - torch.tensor(dataset.mean).view(3, 1, 1)) / torch.tensor(dataset.std).view(3, 1, 1)
        assert torch.allclose(torch.cat(images), expected.expand(6, 3, 16, 16), atol=1e-5)
        assert torch.cat(labels).tolist() == [1, 0, 1, 0, 1, 0]
        varied = next(dataset.train.batches(order, epoch=0, seed=0, augment=AugmentSettings(crop="rrc")))[0]
        assert varied.shape == (4, 3, 16, 16)
        dataset.close()


def test_what_is_missing_is_said(saved, tmp_path):
    with pytest.raises(DataMissing, match="no dataset_dict.json .*save_to_disk"):
        describe(settings(tmp_path))
    with pytest.raises(DataMissing, match="no nope part in .*train, validation"):
        describe(settings(saved, splits={"train": "train", "test": "nope"}))
    with pytest.raises(DataError, match="no column 'cls' .columns: image, label"):
        describe(settings(saved, label_column="cls"))


def test_webdataset_shards_once_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    for part, n in (("train", 12), ("test", 3)):
        with tarfile.open(tmp_path / f"{part}-0.tar", "w") as tar:
            for i in range(n):
                for name, content in (("png", picture(i)["bytes"]), ("cls", str(i % 3).encode())):
                    info = tarfile.TarInfo(f"{i:05d}.{name}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    files = {part: str(tmp_path / f"{part}-0.tar") for part in ("train", "test")}
    read = datasets.load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path / "cache"))
    read.save_to_disk(str(tmp_path / "saved"))
    data = settings(tmp_path / "saved", image_column="png", label_column="cls")
    assert describe(data).counts == {"train": 9, "val": 3, "test": 3}
    images, labels = next(load(data).test.batches([torch.arange(3)], epoch=0, seed=0))
    assert labels.tolist() == [0, 1, 2] and images.shape == (3, 3, 16, 16)
