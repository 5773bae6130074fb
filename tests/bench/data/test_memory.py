"""Digits, and augmentation of images held in memory."""

import pytest
import torch

from bench.data import AugmentSettings, DataSettings, describe, load
from bench.data.memory import TensorSplit
from bench.data.sources.builtin.digits import arrays
from tests.bench.device_waits import Waits

DIGITS = DataSettings.model_validate("digits")
AUGMENT = AugmentSettings(shift=2, hflip=0.5)


@pytest.fixture(scope="module")
def digits():
    return load(DIGITS)


def collect(split, order, **kwargs):
    images, labels = zip(*split.batches(order, **kwargs), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_digits_are_what_their_description_says(digits):
    description = describe(DIGITS)
    assert digits.description == description and description.num_classes == 10
    assert {p: getattr(digits, p).n for p in ("train", "val", "test")} == description.counts
    parts = arrays()
    assert torch.bincount(digits.train.labels).tolist() == [107, 109, 106, 109, 109, 109, 109, 107, 104, 108]
    assert sum(len(labels) for _, labels in parts.values()) == 1797
    pixels = parts["train"][0] / 16
    assert DIGITS.mean == pytest.approx([pixels.mean()], abs=1e-4)
    assert DIGITS.std == pytest.approx([pixels.std()], abs=1e-4)


def test_digits_equal_sklearns_and_parts_are_disjoint(digits):
    from sklearn.datasets import load_digits

    whole = {(i.tobytes(), t) for i, t in zip(load_digits().images.astype("uint8"), load_digits().target, strict=True)}
    parts = [{(i.tobytes(), t) for i, t in zip(p[:, 0], t, strict=True)} for p, t in arrays().values()]
    assert set.union(*parts) == whole and sum(map(len, parts)) == len(whole)


def test_evaluation_normalises_and_keeps_order(digits):
    order = torch.tensor([5, 0, 7]).split(2)
    images, labels = collect(digits.val, order, epoch=0, seed=0)
    raw = torch.tensor(arrays()["val"][0])[[5, 0, 7]] / 16
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    assert torch.allclose(images, (raw - DIGITS.mean[0]) / DIGITS.std[0], atol=1e-6)
    assert torch.equal(labels, digits.val.labels[[5, 0, 7]])
    assert torch.equal(images, collect(digits.val, order, epoch=3, seed=9, augment=AugmentSettings())[0])
    assert list(digits.val.batches([], epoch=0, seed=0)) == []


def test_pixels_depend_on_seed_epoch_and_index_alone(digits):
    order = torch.randperm(1077, generator=torch.Generator().manual_seed(0))
    images, labels = collect(digits.train, order.split(32), epoch=4, seed=1, augment=AUGMENT)
    before = torch.get_rng_state()
    resumed, _ = collect(digits.train, order.split(32)[20:], epoch=4, seed=1, augment=AUGMENT)
    assert torch.equal(resumed, images[20 * 32 :])
    other, other_labels = collect(digits.train, torch.arange(1077).split(100), epoch=4, seed=1, augment=AUGMENT)
    assert torch.equal(other[order], images) and torch.equal(other_labels[order], labels)
    assert torch.equal(before, torch.get_rng_state())
    for change in ({"epoch": 5, "seed": 1}, {"epoch": 4, "seed": 2}):
        assert not torch.equal(collect(digits.train, order.split(32), **change, augment=AUGMENT)[0], images)


@pytest.mark.parametrize("augment", [None, AUGMENT])
@pytest.mark.parametrize("size", [16, 64, 500])
def test_a_device_is_waited_for_once_an_epoch(size, augment):
    """Images on the meta device stand for those on a GPU: indices go there in one copy, for however many batches."""
    data, order = load(DIGITS, "meta"), torch.arange(500).split(size)
    with Waits() as waits:
        shapes = [x.shape for x, _ in data.train.batches(order, epoch=0, seed=1, augment=augment)]
    assert sum(shape[0] for shape in shapes) == 500 and len(shapes) == -(-500 // size)
    assert waits.seen == [torch.ops.aten._to_copy.default]


def numbered(n=4000, size=6):
    """Images whose pixels say where they come from; 0 is what moves in."""
    pixels = torch.arange(1, size * size + 1, dtype=torch.uint8).view(1, 1, size, size).expand(n, 1, size, size)
    fields = {"name": "x", "source": "folder", "img_size": size, "in_chans": 1, "in_memory": True}
    settings = DataSettings.model_validate(fields | {"mean": [0.0], "std": [1.0]})
    return TensorSplit(pixels, torch.zeros(n, dtype=torch.int64), settings, torch.device("cpu"))


def test_shifts_and_flips_are_those_of_the_raw_image_with_zeros_moved_in():
    split = numbered()
    images, _ = collect(split, [torch.arange(split.n)], epoch=0, seed=0, augment=AUGMENT)
    images = (images * 255).round().long()[:, 0]
    plain = torch.arange(1, 37).view(6, 6)
    padded = torch.nn.functional.pad(plain, [2] * 4)
    expected = {}
    for flip in (0, 1):
        for down in range(5):
            for right in range(5):
                seen = padded[down : down + 6, right : right + 6]
                expected[tuple((seen.flip(1) if flip else seen).flatten().tolist())] = (flip, down, right)
    assert len(expected) == 50
    counts = torch.zeros(2, 5, 5)
    for image in images:
        counts[expected[tuple(image.flatten().tolist())]] += 1
    assert (counts - split.n / 50).abs().max() < 5 * (split.n / 50) ** 0.5


@pytest.mark.parametrize(("hflip", "share"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_flip_probability(hflip, share):
    split = numbered()
    images, _ = collect(split, [torch.arange(split.n)], epoch=0, seed=0, augment=AugmentSettings(hflip=hflip, shift=0))
    assert (images[:, 0, 0, 0] > 2 / 255).float().mean() == pytest.approx(share, abs=0.035 * (0 < share < 1))


def test_image_augmentation_is_refused(digits):
    with pytest.raises(ValueError, match="crop: not for digits"):
        list(digits.train.batches([torch.arange(3)], epoch=0, seed=0, augment=AugmentSettings(crop="rrc")))
