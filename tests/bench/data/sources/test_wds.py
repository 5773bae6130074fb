"""WebDataset tar shards, as others have written them."""

import io
import tarfile

import pytest
import torch

from bench.data import DataError, DataMissing, DataSettings, describe, load
from tests.bench.photo_suites import CLASSES, write_photos
from tests.bench.tiny import bench, numbers, write

SUITE = """
name: tiny
dataset: DATA
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}]
methods: {random: {}}
train: {epochs: 1, batch_size: 8, augment: {crop: rrc, hflip: 0.5}}
"""


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def shards(photos, tmp_path_factory):
    """The same images in the same order, two shards of train; beside each a file that is neither image nor label."""
    root = tmp_path_factory.mktemp("shards")
    (root / "_info.json").write_text('{"splits": {"train": {"num_samples": 36}}}')
    (root / "classes.txt").write_text("\n".join(CLASSES))
    for part, name, several in (("train", "photos-train", 2), ("val", "photos-validation", 1)):
        files = [(label, path) for label, c in enumerate(CLASSES) for path in sorted((photos / part / c).iterdir())]
        each = -(-len(files) // several)
        for i in range(several):
            samples = {
                f"{i}/{label}_{path.stem}": {"JPEG": path.read_bytes(), "cls": b"%d" % label, "json": b"{}"}
                for label, path in files[i * each : (i + 1) * each]
            }
            write_shard(root / f"{name}-{i:04}.tar", samples)
    return root


def write_shard(path, samples):
    with tarfile.open(path, "w") as tar:
        for key, parts in samples.items():
            for suffix, content in parts.items():
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def settings(root, **fields):
    return DataSettings.model_validate(
        {"name": "photos", "source": "wds", "root": str(root), "img_size": 16, "val_fraction": 0.2, **fields}
    )


def test_the_same_images_as_in_folders(photos, shards, cache):
    data = settings(shards, class_map=str(shards / "classes.txt"))
    folders = data.model_copy(update={"source": "folder", "root": str(photos)})
    assert describe(data, hashed=False) == describe(folders, hashed=False)
    assert describe(settings(shards)).classes == ("photos/0", "photos/1", "photos/2")
    order = torch.arange(12).flip(0).split(5)
    for workers in (0, 2):
        read = load(data.model_copy(update={"workers": workers}))
        both = (list(part.test.batches(order, epoch=0, seed=0)) for part in (read, load(folders)))
        for (images, labels), (expected, expected_labels) in zip(*both, strict=True):
            assert torch.equal(images, expected) and torch.equal(labels, expected_labels)
        read.close()


def test_headers_are_read_once(shards, cache, capsys):
    for times in (1, 2):
        describe(settings(shards))
        assert capsys.readouterr().err.count("looking through") == 2 * (times == 1)
        assert len(list(cache.glob("*.npy"))) == 2


def test_parts_are_found_by_name_or_by_folder(tmp_path, shards):
    for part, shard in (
        ("train", "photos-train-0001"),
        ("val", "photos-validation-0000"),
        ("odd", "photos-train-0000"),
    ):
        (tmp_path / "data" / part).mkdir(parents=True)
        (tmp_path / "data" / part / "007.tar").write_bytes((shards / f"{shard}.tar").read_bytes())
    with pytest.raises(DataError, match="fewer than two images of photos/0"):
        describe(settings(tmp_path / "data"))  # the first class is not in that shard
    named = settings(tmp_path / "data", splits={"train": "train", "val": "odd", "test": "val"})
    assert describe(named).counts == {"train": 18, "val": 18, "test": 12}


def test_what_is_wrong_is_said(tmp_path):
    def says(message, error=DataError):
        with pytest.raises(error, match=message):
            describe(settings(tmp_path / "data"))

    says("is not a folder; expected shards such as", DataMissing)
    (tmp_path / "data").mkdir()
    says("no train and no test part", DataMissing)
    write_shard(tmp_path / "data" / "test-0.tar", {"a": {"jpg": b"x", "cls": b"0"}})
    for samples, message in (
        ({"a": {"jpg": b"x", "cls": b"two"}}, r"train-0.tar: a.cls: expected a class number, found b'two'"),
        ({"a": {"jpg": b"x"}}, "train-0.tar: a has no label; expected an image"),
        ({"a": {"cls": b"1"}}, "train-0.tar: a has no image; expected an image"),
        ({"a": {"jpg": b"x", "cls": b"-1"}}, "train has labels from -1 to -1"),
        ({"a": {"txt": b"x"}}, "no image in .*train-0.tar"),
    ):
        write_shard(tmp_path / "data" / "train-0.tar", samples)
        says(message)
    (tmp_path / "data" / "train-0.tar").write_bytes(b"x" * 2000)
    says("train-0.tar: not a readable tar file")


def test_from_the_command_line_prepared_or_as_they_are(photos, shards, tmp_path, capsys):
    """The same numbers as from folders; prepared, the same bytes."""
    found = {}
    for name, root, more in (("folder", photos, ""), ("wds", shards, f", class_map: {shards / 'classes.txt'}")):
        data = f"{{name: photos, source: {name}, root: {root}, img_size: 16, val_fraction: 0.2, workers: 0{more}}}"
        suite, out = write(tmp_path, SUITE.replace("DATA", data)), tmp_path / f"prepared-{name}"
        assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / name) == 0, capsys.readouterr()
        assert bench("prepare", suite, "--out", out, "--jobs", 1) == 0, capsys.readouterr()
        shard = (out / "photos" / "train-00000.tar").read_bytes()
        identities = {"log": None, "run": None, "learngene": None, "data": None}  # of other files
        found[name] = [row | identities for row in numbers(tmp_path / name)], shard
    assert found["folder"] == found["wds"]
