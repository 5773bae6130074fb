"""Image folders: counting, layouts, and decoding that replays."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from bench.data import AugmentSettings, DataError, DataMissing, describe, load
from bench.data.pool import BatchRequest
from bench.data.transforms import posterize
from tests.bench.data.small_folder import COUNTS, batches, settings, write_folder

STRONG = AugmentSettings(crop="rrc", hflip=0.5, auto_augment="rand-m9-mstd0.5-inc1", re_prob=0.5, re_mode="pixel")
MILD = AugmentSettings(crop="rkrc", hflip=0.5, color_jitter=0.3)


def test_two_parts_give_three(folder):
    description = describe(settings(folder))
    assert description.classes == ("ant", "bee", "cat2")
    assert description.counts == {"train": 34, "val": 9, "test": 10}
    assert list(description.counts) == ["train", "val", "test"]
    dataset = load(settings(folder))
    assert torch.bincount(dataset.val.labels).tolist() == [2, 6, 1]
    assert torch.bincount(dataset.train.labels).tolist() == [7, 24, 3]
    assert dataset.test.labels.tolist() == [0] * 3 + [1] * 5 + [2] * 2
    assert dataset.class_id == description.class_id and dataset.classes == description.classes


def test_fingerprint_has_no_paths_and_tells_data_apart(folder, tmp_path):
    copy = write_folder(tmp_path / "copy", COUNTS)
    base = describe(settings(folder)).fingerprint
    assert base == describe(settings(copy, workers=2)).fingerprint
    assert str(folder) not in str(base)
    (copy / "train" / "ant" / "more.png").write_bytes(b"")
    for other in (settings(copy), settings(folder, mean=[0, 0, 0]), settings(folder, img_size=8)):
        assert describe(other).fingerprint != base


def test_three_parts_other_names_and_nested_files(tmp_path):
    write_folder(
        tmp_path, {"train": {"a": 2, "b": 2}, "validation": {"a": 1, "b": 1}, "test": {"b": 3}, "odd": {"a": 2}}
    )
    nested = tmp_path / "train" / "a" / "deep"
    nested.mkdir()
    (tmp_path / "train" / "a" / "0.JPEG").rename(nested / "0.JPEG")
    (tmp_path / "train" / "a" / "notes.txt").write_text("no image")
    (tmp_path / "train" / "a" / "._0.JPEG").write_text("left by a file manager")
    assert describe(settings(tmp_path)).counts == {"train": 4, "val": 2, "test": 3}
    named = settings(tmp_path, splits={"train": "train", "val": "test", "test": "odd"})
    assert describe(named).counts == {"train": 4, "val": 3, "test": 2}
    images, labels = next(load(settings(tmp_path)).train.batches([torch.arange(4)], epoch=0, seed=0))
    assert images.shape == (4, 3, 16, 16) and labels.tolist() == [0, 0, 1, 1]


def test_classes_are_in_natural_order_or_as_class_map_says(tmp_path):
    write_folder(tmp_path, {"train": dict.fromkeys(("10", "9", "a2", "a11"), 2), "val": {"9": 2}})
    assert describe(settings(tmp_path)).classes == ("9", "10", "a2", "a11")
    listed = tmp_path / "classes.txt"
    listed.write_text("a2\n9\n")
    description = describe(settings(tmp_path, class_map=str(listed)))
    assert description.classes == ("a2", "9") and description.counts == {"train": 2, "val": 2, "test": 2}
    assert load(settings(tmp_path, class_map=str(listed))).test.labels.tolist() == [1, 1]
    listed.write_text("nope\n")
    with pytest.raises(DataError, match="class_map names classes that train has not: nope"):
        describe(settings(tmp_path, class_map=str(listed)))


def test_what_is_missing_is_said(folder, tmp_path):
    def says(message, root=tmp_path, error=DataMissing, **fields):
        with pytest.raises(error, match=message):
            describe(settings(root, **fields))

    says("not a folder; expected part/class/image", root=tmp_path / "none")
    says("no train and no test part in .*there: nothing")
    says("no nope part in .*there: train, val", root=folder, splits={"train": "train", "test": "nope"})
    says("3 classes, not num_classes: 4", root=folder, num_classes=4, error=DataError)
    write_folder(tmp_path, {"train": {"a": 1, "b": 2}, "val": {"a": 1, "c": 1}})
    says("has classes that train has not: c", error=DataError)
    (tmp_path / "val" / "c").rename(tmp_path / "elsewhere")
    says("val has no images of b; expected num_classes: 2 in every part", num_classes=2, error=DataError)
    (tmp_path / "elsewhere").rename(tmp_path / "val" / "b")
    says("fewer than two images of a", error=DataError)
    (tmp_path / "train" / "empty").mkdir()
    says("no image in empty")
    (tmp_path / "train" / "empty").rmdir()
    (tmp_path / "test").mkdir()
    says("no class folder")


def test_evaluation_equals_timms_transform(folder):
    from timm.data import create_transform

    data = settings(folder)
    order = torch.arange(9).split(4)
    images, _ = batches(load(data).val, order, epoch=0, seed=0)
    val = load(data).val
    transform = create_transform((3, 16, 16), interpolation="bicubic", crop_pct=0.875, mean=data.mean, std=data.std)
    source, chosen = val._pool.samples.parts["val"]
    for image, index in zip(images, chosen.tolist(), strict=True):
        path = folder / "train" / source.names[index].decode()
        assert torch.allclose(image, transform(Image.open(path).convert("RGB")), atol=1e-5)
    grey = load(settings(folder, in_chans=1, mean=[0.5], std=[0.5])).val
    assert next(grey.batches(order, epoch=0, seed=0))[0].shape == (4, 1, 16, 16)
    assert torch.equal(images, batches(val, order, epoch=1, seed=5, augment=AugmentSettings())[0])


@pytest.mark.parametrize("augment", [STRONG, MILD, AugmentSettings(hflip=0.5)], ids=["strong", "mild", "flip"])
def test_the_same_pixels_for_any_workers_batches_and_start(folder, augment):
    order = torch.randperm(34, generator=torch.Generator().manual_seed(1))
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    base = load(settings(folder, workers=0)).train
    images, labels = batches(base, order.split(8), epoch=3, seed=7, augment=augment)
    assert torch.equal(batches(base, order.split(8)[2:], epoch=3, seed=7, augment=augment)[0], images[16:])
    plain = batches(base, [torch.arange(34)], epoch=3, seed=7, augment=augment)[0]
    assert torch.equal(plain[order], images) and torch.equal(base.labels[order], labels)
    assert not torch.equal(batches(base, order.split(8), epoch=4, seed=7, augment=augment)[0], images)
    assert not torch.equal(batches(base, order.split(8), epoch=3, seed=8, augment=augment)[0], images)
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[2])
    assert np.random.get_state()[1].tolist() == states[1]


@pytest.mark.parametrize("mode", ["const", "rand", "pixel"])
def test_erased_boxes(folder, mode):
    """Decoding gives bytes; what is erased lies in a box, in about so many images, and nothing else changes."""
    train, everything = load(settings(folder)).train, torch.arange(34 * 20)
    decoded = train._pool.run([BatchRequest("train", everything, 0, 0, STRONG)])
    assert {pixels.dtype for pixels, _, _ in decoded} == {torch.uint8}
    plain, erased = (
        batches(train, [everything], epoch=0, seed=0, augment=AugmentSettings(crop="rrc", re_prob=p, re_mode=mode))[0]
        for p in (0.0, 0.4)
    )
    changed = (plain != erased).any(1)
    assert 0.33 < changed.flatten(1).any(1).float().mean() < 0.47
    for image, where in zip(erased, changed, strict=True):
        if where.any():
            rows, cols = where.any(1).nonzero().flatten(), where.any(0).nonzero().flatten()
            box = image[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
            assert where.sum() > 0.9 * box[0].numel()
            assert len(box.unique()) == {"const": 1, "rand": len(box), "pixel": box.numel()}[mode]


@pytest.mark.parametrize("policy", ["rand-m10-n40-inc1", "rand-m0-n40", "original-mstd0.5", "v0"])
def test_policies_at_their_extremes(folder, policy):
    """At full strength, and at none, timm's posterize keeps no bit at all."""
    train = load(settings(folder)).train
    batches(train, [torch.arange(34)], epoch=0, seed=0, augment=AugmentSettings(crop="rrc", auto_augment=policy))


def test_posterize_keeps_the_highest_bits():
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for bits in range(9):
        expected = np.arange(256) // 2 ** (8 - bits) * 2 ** (8 - bits)
        assert np.array_equal(np.asarray(posterize(image, bits)).ravel(), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_is_named(tmp_path, workers):
    write_folder(tmp_path, {"train": {"a": 3, "b": 3}, "val": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}})
    bad = tmp_path / "train" / "b" / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    dataset = load(settings(tmp_path, workers=workers))
    with pytest.raises(DataError, match="train/b/1.jpg: not a readable image"):
        batches(dataset.train, [torch.arange(6)], epoch=0, seed=0)
    assert len(batches(dataset.train, [torch.arange(4)], epoch=0, seed=0)[1]) == 4
    dataset.close()


def test_a_folder_can_be_held_in_memory(folder):
    files, memory = load(settings(folder)), load(settings(folder, in_memory=True))
    order = torch.arange(34).split(10)
    assert all(
        map(torch.equal, batches(memory.train, order, epoch=0, seed=0), batches(files.train, order, epoch=0, seed=0))
    )
    shifted = batches(memory.train, order, epoch=0, seed=0, augment=AugmentSettings(shift=1))[0]
    assert shifted.shape == (34, 3, 16, 16)
