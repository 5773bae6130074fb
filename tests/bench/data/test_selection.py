"""Some classes, a few images of each, a validation part of declared size, the rest as test."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from bench.data import DataSettings, describe, load
from bench.data.selection import count, select
from bench.data.survey import Survey
from tests.bench.data.small_folder import write_folder


def settings(name="digits", **fields):
    return DataSettings.model_validate({"name": name, **fields})


def pixels(split):
    """Each image of a split as bytes, in order."""
    return [
        image.numpy().tobytes()
        for batch, _ in split.batches([torch.arange(split.n)], epoch=0, seed=0)
        for image in batch
    ]


HALF = {"classes": [5, 6, 7, 8, 9], "per_class": 10, "val_images": 50, "rest": "test"}


def test_the_pilot_s_half_of_digits():
    """896 images of five classes: 50 train, 50 choose the rate, all others test."""
    description = describe(settings(**HALF))
    assert dict(description.counts) == {"train": 50, "val": 50, "test": 796}
    assert description.classes == tuple("56789")
    data = load(settings(**HALF), seed=3)
    assert (data.train.n, data.val.n, data.test.n) == (50, 50, 796)
    assert np.bincount(data.train.labels).tolist() == [10] * 5
    assert set(data.test.labels.tolist()) == set(range(5))
    images = [set(pixels(split)) for split in (data.train, data.val, data.test)]
    assert sum(map(len, images)) == 896 == len(set.union(*images))


def test_the_number_of_classes_is_checked_before_some_are_taken():
    assert describe(settings(classes=["7", "3"], num_classes=10)).num_classes == 2
    with pytest.raises(ValueError, match="digits has 10 classes in all, whatever `classes` takes of them, not num_cl"):
        describe(settings(classes=["7", "3"], num_classes=2))


@pytest.mark.parametrize(("there", "asked"), [("u\u0308ber", "\u00fcber"), ("\u00fcber", "u\u0308ber"), ("u", "u")])
def test_a_name_is_found_however_its_accents_are_written(there, asked):
    survey = Survey((there, "other"), {"train": 8, "test": 8}, {"train": [4, 4], "test": [4, 4]})
    assert count(settings(classes=["other", asked]), survey).names == ("other", there)


def test_labels_are_those_of_the_images():
    whole, half = load(settings()), load(settings(classes=["7", "3"]))
    labels = {}
    for split in (whole.train, whole.test):
        labels |= dict(zip(pixels(split), split.labels.tolist(), strict=True))
    for split in (half.train, half.test):
        for image, label in zip(pixels(split), split.labels, strict=True):
            assert labels[image] == [7, 3][int(label)]


def test_a_name_and_its_position_mean_the_same_and_halves_share_no_class_list():
    by_name, by_position = (describe(settings(classes=c)) for c in (["0", "1", "2"], [0, 1, 2]))
    assert by_name.fingerprint == by_position.fingerprint
    ids = {describe(settings(classes=c)).class_id for c in ([0, 1], [1, 0], [2, 3])} | {describe(settings()).class_id}
    assert len(ids) == 4


def test_images_are_drawn_anew_for_each_seed_and_fewer_are_among_more():
    def drawn(k, seed):
        return set(pixels(load(settings(per_class=k), seed=seed).train))

    five, ten, twenty = (drawn(k, 1) for k in (5, 10, 20))
    assert five < ten < twenty and len(twenty) == 200
    assert len(drawn(10, 2) & ten) < 40
    assert drawn(10, 1) == ten


def test_validation_is_one_part_for_all_seeds_and_any_per_class():
    parts = [
        pixels(load(settings(per_class=k, val_images=100), seed=seed).val) for k, seed in ((5, 0), (5, 1), (20, 2))
    ]
    assert parts[0] == parts[1] == parts[2] and len(parts[0]) == 100


def test_what_is_asked_for_is_part_of_the_identity():
    given_settings = [{}, {"per_class": 5}, {"per_class": 6}, {"val_images": 50}, {"val_images": 51}]
    given_settings += [{"val_images": 50, "rest": "test"}, {"classes": [0, 1]}, {"classes": [1, 0]}]
    prints = [describe(settings(**fields)).fingerprint for fields in given_settings]
    assert all(a != b for i, a in enumerate(prints) for b in prints[:i])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": [0, 10]}, "no class 10 .there are 10 classes: 0, 1, .* positions 0 to 9"),
        ({"classes": ["3", "x"]}, "no class 'x'"),
        ({"classes": [3, "3"]}, "'3' is asked for twice"),
        ({"classes": [3]}, "at least 2 of 10 classes, found 1"),
        ({"per_class": 105}, "per_class: 105 training images of each class, but there are 104 of '8'"),
        ({"val_images": 9}, "one a class and fewer than all of 360 images of 10 classes, found 9"),
        ({"val_images": 360}, "fewer than all of 360"),
    ],
)
def test_what_is_not_there_is_named_with_counts(fields, message):
    with pytest.raises(ValueError, match=message):
        describe(settings(**fields))


def test_rest_needs_something_that_leaves_images_over():
    with pytest.raises(ValueError, match="rest: test is for what per_class or val_images leave over"):
        settings(rest="test")


def test_a_folder_without_validation(tmp_path):
    root = write_folder(
        tmp_path / "images", {"train": {"ant": 7, "bee": 6, "cat": 5}, "test": {"ant": 2, "bee": 2, "cat": 3}}
    )
    own = {
        "source": "folder",
        "root": str(root),
        "img_size": 8,
        "classes": ["cat", "ant"],
        "per_class": 3,
        "val_images": 4,
    }
    for memory in (True, False):
        data = load(settings("own", **own, rest="test", in_memory=memory, workers=0), seed=1)
        assert data.classes == ("cat", "ant")
        assert (data.train.n, data.val.n, data.test.n) == (6, 4, 5 + 2)
        images = [pixels(split) for split in (data.train, data.val, data.test)]
        assert len({image for part in images for image in part}) == 17


def test_a_validation_part_leaves_every_class_an_image_to_train_on(tmp_path):
    root = write_folder(tmp_path / "images", {"train": {"ant": 9, "bee": 2}, "test": {"ant": 1, "bee": 1}})
    own = {"source": "folder", "root": str(root), "img_size": 8}
    assert describe(settings("own", **own, val_images=5)).counts["train"] == 6
    with pytest.raises(ValueError, match="val_images: 10 leave no training image of bee; expected fewer"):
        describe(settings("own", **own, val_images=10))


@example([[3, 3, 3, 9], [3, 3, 3, 3]], None, None, 4, 0)  # a large class would make the part larger than it is declared
@given(
    parts=st.lists(st.lists(st.integers(3, 12), min_size=4, max_size=4), min_size=2, max_size=3),
    classes=st.none() | st.permutations(range(4)).map(lambda order: list(order)[:3]),
    per_class=st.none() | st.integers(1, 2),
    val_images=st.none() | st.integers(4, 6),
    seed=st.integers(0, 5),
)
def test_counts_are_those_of_what_is_chosen_and_no_image_is_in_two_parts(parts, classes, per_class, val_images, seed):
    names = ["train", "test", "val"][: len(parts)]
    numbers = dict(zip(names, parts, strict=True))
    survey = Survey(tuple("abcd"), {part: sum(n) for part, n in numbers.items()}, numbers)
    fields = {"classes": classes, "per_class": per_class, "val_images": val_images, "val_fraction": 0.3}
    fields |= {"rest": "test"} if per_class or val_images else {}
    chosen = settings("own", source="folder", **fields)
    try:
        selection = count(chosen, survey)
    except ValueError:
        return
    labels = {part: torch.repeat_interleave(torch.arange(4), torch.tensor(n)) for part, n in numbers.items()}
    pieces = select(chosen, labels, selection, seed)
    assert {part: sum(len(at) for _, at in found) for part, found in pieces.items()} == selection.counts
    used = [(part, int(i)) for found in pieces.values() for part, at in found for i in at]
    assert len(used) == len(set(used))
    wanted = classes or range(4)
    assert {int(labels[part][i]) for part, i in used} == set(wanted)
    if fields.get("rest"):
        assert len(used) == sum(n[c] for n in numbers.values() for c in wanted)
