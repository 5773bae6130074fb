"""Folders of class folders: the parts that a seeded split makes of them."""

import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import DataError, DataMissing, DataSettings, describe, load
from bench.data.settings import Cut
from bench.data.sources import folder
from bench.data.stratify import shares
from tests.bench.data import small_folder
from tests.bench.data.small_folder import write_folder

SPLIT = {"val": 0.1, "test": 0.2}
COUNTS = {"ant": 10, "bee": 23, "cat": 4}


def of(root, **fields):
    return small_folder.settings(root, **{"split": SPLIT, **fields})


@pytest.fixture(scope="module")
def undivided(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("undivided"), {"all": COUNTS})
    return root / "all"


def names(data):
    return {(f.part, f.name, f.label) for f in folder.files(data, folder.survey(data))}


def test_each_class_has_its_share_in_each_part(undivided):
    description = describe(of(undivided))
    assert description.classes == ("ant", "bee", "cat")
    counts = {part: sum(shares(list(COUNTS.values()), SPLIT[part])) for part in SPLIT}
    assert counts == {"val": 4, "test": 7}
    assert description.counts == {"train": 37 - 11, **counts}
    data = load(of(undivided))
    assert torch.bincount(data.test.labels).tolist() == shares([10, 23, 4], 0.2)
    assert torch.bincount(data.val.labels).tolist() == shares([10, 23, 4], 0.1)
    without = describe(of(undivided, split={"test": 0.2}, val_fraction=0.1))
    assert without.counts == {"train": 27, "val": 3, "test": 7}  # of the 30 that are left


def test_every_image_is_in_one_part_whatever_lies_where(undivided, tmp_path):
    listed = names(of(undivided))
    assert len(listed) == len({name for _, name, _ in listed}) == 37
    assert {part for part, _, _ in listed} == {"train", "val", "test"}
    shutil.copytree(undivided, tmp_path / "another name")
    assert names(of(tmp_path / "another name")) == listed
    copied = describe(of(tmp_path / "another name")).fingerprint
    assert copied == describe(of(undivided)).fingerprint
    (tmp_path / "another name" / "bee" / "0.JPEG").unlink()
    left = names(of(tmp_path / "another name", split={"val": 0.1, "test": 0.2}))
    assert len({image[1] for image in left if image in listed}) > 30  # one image less leaves almost all where they were


@pytest.mark.parametrize("other", [{"seed": 1}, {"test": 0.3}, {"val": 0.3}])
def test_the_fingerprint_sees_the_split(undivided, other):
    assert describe(of(undivided, split=SPLIT | other)).fingerprint != describe(of(undivided)).fingerprint
    assert describe(of(undivided, split=SPLIT | {"seed": 0})).fingerprint == describe(of(undivided)).fingerprint
    seeded = [describe(of(undivided, split=SPLIT | {"seed": seed})) for seed in (0, 1)]
    assert seeded[0].counts == seeded[1].counts
    assert seeded[0].fingerprint["content"] != seeded[1].fingerprint["content"]


@given(
    st.lists(st.integers(3, 60), min_size=1, max_size=8),
    st.floats(0.05, 0.45),
    st.floats(0.05, 0.45),
    st.integers(0, 2**31),
)
@settings(max_examples=50)
def test_parts_are_disjoint_and_whole_for_any_counts(counts, val, test, seed):
    images = {str(c): [f"{i}.png" for i in range(n)] for c, n in enumerate(counts)}
    data = DataSettings.model_validate({"name": "x", "source": "folder", "root": "."})
    try:
        parts = folder._cut(data, Cut(val=val, test=test, seed=seed), images)
    except DataError:
        assert any(a + b >= n for a, b, n in zip(shares(counts, test), shares(counts, val), counts, strict=True))
        return
    for c, files in images.items():
        together = [name for part in parts.values() for name in part[c]]
        assert sorted(together) == sorted(files) and all(part[c] for part in parts.values())


def test_what_is_missing_is_cut_from_train(tmp_path):
    root = write_folder(tmp_path, {"train": {"ant": 10, "bee": 20}, "val": {"ant": 2, "bee": 3}})
    data = of(root, splits={"train": "train", "val": "val"}, split={"test": 0.2})
    assert describe(data).counts == {"train": 24, "val": 5, "test": 6}
    assert {name.split("/")[0] for _, name, _ in names(data)} == {"train", "val"}


def test_a_class_with_too_few_images_is_named(tmp_path):
    root = write_folder(tmp_path, {"all": {"ant": 10, "bee": 1}}) / "all"
    with pytest.raises(DataError, match="1 image of bee cannot be split into train, val and test; expected at least 3"):
        describe(of(root))
    with pytest.raises(DataError, match="1 image of bee .* train and test; expected at least 2"):
        describe(of(root, split={"test": 0.5}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split": {"val": 0.5, "test": 0.5}}, "nothing is left to train on"),
        ({"split": {"val": 0.5}}, "split.test"),
        ({"splits": {"train": "a", "test": "b"}}, "test: named by splits and cut by split; expected one of them"),
        ({"splits": {"val": "b"}}, "splits must name at least train"),
        ({"source": "wds"}, "split is for source folder, not for wds"),
    ],
)
def test_splits_that_contradict_each_other(fields, message):
    with pytest.raises(ValueError, match=message):
        of("/nowhere", **fields)


def test_an_undivided_folder_without_the_key_is_told_what_is_expected(undivided, tmp_path):
    with pytest.raises(DataMissing, match="no train and no test part.*there: ant, bee, cat.*split: "):
        describe(small_folder.settings(undivided))
    with pytest.raises(DataMissing, match="no class folder; expected class/image, such as cat/1.jpg"):
        describe(of(tmp_path))


def test_it_can_be_prepared(undivided, tmp_path):
    from bench.data.preparing.encode import Form
    from bench.data.preparing.prepare import prepare

    data, out = of(undivided), tmp_path / "out" / "tiny"
    prepare(data, Form(short_side=16, quality=95), out)
    ready = data.prepared_in(str(tmp_path / "out"))
    assert describe(ready).counts == describe(data).counts
    other = of(undivided, split=SPLIT | {"seed": 3}).prepared_in(str(tmp_path / "out"))
    with pytest.raises(DataError, match="was prepared with split .*'seed': 0.*; prepare it anew"):
        describe(other)
