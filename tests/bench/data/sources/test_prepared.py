"""Prepared data sets, as `bench prepare` writes them: what is read of them, and what is said of damaged ones."""

import json
import pickle
import shutil

import numpy as np
import pytest

from bench import files
from bench.data import DataError, DataMissing
from bench.data.fingerprint import look
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import prepare
from bench.data.settings import INFO
from bench.data.sources import prepared
from tests.bench.data.small_folder import COUNTS, settings

CLASSES = ["ant", "bee", "cat2"]


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """The settings of the original, and the folder of what was made of it: images stay the files that they are."""
    out = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.data.preparing.prepare.shard_length", lambda images: 20)
        prepare(settings(folder), Form(short_side=64), out / "tiny")
    return settings(folder), out


@pytest.fixture
def ready(made, tmp_path):
    """Settings of a copy of it that a test may change."""
    original, out = made
    shutil.copytree(out, tmp_path / "out")
    return original.prepared_in(str(tmp_path / "out"))


def changed(ready, change):
    """Have `_info.json` say something else."""
    info = files.read_json(ready.path / INFO)
    change(info)
    files.write_json(ready.path / INFO, info)


def test_the_survey_is_that_of_the_original(ready):
    found = prepared.survey(ready)
    assert found.classes == CLASSES and found.form["short_side"] == 64
    assert found.sizes == {"train": 43, "test": 10}
    assert found.per_class == {"train": list(COUNTS["train"].values()), "test": list(COUNTS["val"].values())}


def test_each_image_is_read_at_its_place(ready, folder):
    """In the order of the source, from several shards."""
    found = prepared.survey(ready)
    assert found.memo["splits"]["train"]["filenames"] == [f"train-0000{i}.tar" for i in range(3)]
    images = prepared.open_part(ready, found, "train")
    assert images.labels.tolist() == [0] * 9 + [1] * 30 + [2] * 4
    names = [path for name in CLASSES for path in sorted((folder / "train" / name).iterdir())]
    assert [images.content(index) for index in range(43)] == [path.read_bytes() for path in names]
    assert images.name(42) == f"{ready.path}/train: image 42"


def test_a_reader_goes_to_another_process(ready):
    images = prepared.open_part(ready, prepared.survey(ready), "test")
    again = pickle.loads(pickle.dumps(images.get))
    assert again(3).getvalue() == images.content(3)


def test_its_files_are_shards_and_indices(ready):
    listed = prepared.files(ready, prepared.survey(ready))
    assert {file.name for file in listed} == {path.name for path in ready.path.glob("*.tar")} | {
        f"{part}.index.npy" for part in ("train", "test")
    }
    assert all(file.path == str(ready.path / file.name) for file in listed)


def test_what_was_prepared_of_originals_counts_as_they_did(made, ready):
    survey = prepared.survey(ready)
    content = prepared.content(survey)
    assert content["form"] == "content" and content["layout"] == prepared.LAYOUT and len(content["digest"]) == 64
    changed(ready, lambda info: info.pop("content"))  # as earlier versions wrote it
    older = prepared.content(prepared.survey(ready))
    assert older["digest"] == survey.memo["prepared"]["originals"] != content["digest"]


def test_a_class_map_of_another_order_is_refused(ready, tmp_path):
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    listed = ready.model_copy(update={"class_map": str(tmp_path / "classes.txt")})
    assert prepared.survey(listed).classes == CLASSES
    (tmp_path / "classes.txt").write_text("\n".join(reversed(CLASSES)))
    with pytest.raises(DataError, match="class_map is not in the order that .* was prepared in; prepare it anew"):
        prepared.survey(listed)


def test_other_parts_than_those_of_the_original_are_refused(ready):
    changed(ready, lambda info: info.update(parts={"train": "train", "test": "val"}))
    named = ready.model_copy(update={"splits": {"train": "train", "test": "val"}})
    assert prepared.survey(named).classes == CLASSES
    with pytest.raises(DataError, match="was prepared from .*'test': 'val'.*, not from .*'test': 'test'"):
        prepared.survey(ready.model_copy(update={"splits": {"train": "train", "test": "test"}}))


def test_what_is_not_prepared_to_the_end_is_missing(ready):
    (ready.path / INFO).unlink()
    with pytest.raises(DataMissing, match="it is not prepared, or not to the end; see bench prepare"):
        prepared.survey(ready)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text(json.dumps({"classes": []})),
        lambda path: files.write_json(path, {"classes": []}),
    ],
    ids=["cut", "unsigned", "of another shape"],
)
def test_an_info_that_is_not_one_is_named(spoil, ready):
    spoil(ready.path / INFO)
    with pytest.raises(DataError, match=f"{INFO}: .*; expected what bench prepare writes"):
        prepared.survey(ready)


@pytest.mark.parametrize("name", ["../other.tar", "/etc/passwd", "deeper/train-00000.tar"])
def test_it_names_no_file_that_is_not_beside_it(name, ready):
    changed(ready, lambda info: info["splits"]["train"]["filenames"].__setitem__(0, name))
    with pytest.raises(DataError, match="it names files that are not beside it"):
        prepared.survey(ready)


def test_a_shard_of_another_size_is_told_before_it_is_read(ready):
    shard = ready.path / "test-00000.tar"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-1])
    how = f"remove {ready.path / INFO} and prepare the data set again"
    with pytest.raises(DataError) as error:
        prepared.survey(ready)
    assert str(error.value) == f"{shard}: {size - 1} bytes instead of {size}; {how}"
    shard.unlink()
    with pytest.raises(DataError, match="test-00000.tar: missing; remove"):
        prepared.survey(ready)


def test_content_is_held_against_checksums_where_there_are_some(ready):
    survey = prepared.survey(ready)

    def held():
        listed = prepared.files(ready, survey)
        prepared.hold(ready, survey, look("tiny", str(ready.path), listed, "content"))

    held()
    index = ready.path / "test.index.npy"
    index.write_bytes(index.read_bytes() + b"x")
    with pytest.raises(DataError, match="test.index.npy: its content does not match its checksum; remove"):
        held()
    for split in survey.memo["splits"].values():
        split.pop("index_sha256")  # as earlier versions wrote it
    held()


def spoil_index(ready, content):
    """Put another index there; `_info.json` is of before there were checksums of indices."""
    changed(ready, lambda info: [split.pop("index_sha256") for split in info["splits"].values()])
    index = ready.path / "train.index.npy"
    index.unlink()
    if content is not None:
        index.write_bytes(content)


@pytest.mark.parametrize("content", [None, b"", b"no array"], ids=["missing", "empty", "junk"])
def test_an_index_that_cannot_be_read_is_told(content, ready):
    spoil_index(ready, content)
    with pytest.raises(DataError, match="; remove .*_info.json and prepare the data set again"):
        prepared.open_part(ready, prepared.survey(ready), "train")


def test_an_index_of_other_content_is_damaged(ready):
    index = ready.path / "train.index.npy"
    index.write_bytes(index.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="train.index.npy: its content does not match its checksum"):
        prepared.open_part(ready, prepared.survey(ready), "train")


def test_an_index_of_other_images_is_told(ready):
    rows = np.load(ready.path / "train.index.npy")
    spoil_index(ready, None)
    np.save(ready.path / "train.index.npy", rows[:-2])
    with pytest.raises(DataError, match="41 images in train.index.npy, expected 43"):
        prepared.open_part(ready, prepared.survey(ready), "train")
