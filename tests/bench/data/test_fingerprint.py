"""The fingerprint: any change of an image is another one, no move of the folder is, and nothing is read twice."""

import importlib.util
import io
import os
import shutil
import tarfile
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.data import DataError, DataSettings, describe
from bench.data import fingerprint as module
from bench.data import settings as settings_of_data
from bench.data.fingerprint import FileChanged, fingerprint, sampled
from bench.data.hash_cache import HashCache
from bench.data.manifest import changes, manifest
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import check, prepare
from bench.data.survey import File
from tests.bench.jpegs import write_images
from tests.performance import fingerprint as performance

CLASSES = ["ant", "bee", "cat"]
SOURCES = ["folder", "torch", "wds", "hfds"]
USUAL = settings().suppress_health_check
FEW = settings(max_examples=15, suppress_health_check=[*USUAL, HealthCheck.function_scoped_fixture])


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def photos(tmp_path):
    return write_images(tmp_path / "photos", CLASSES, {"train": 4, "val": 2}, size=20)


def images(root):
    """[(part, class, name, bytes)] in order."""
    return [(*p.relative_to(root).parts, p.read_bytes()) for p in sorted(root.glob("*/*/*"))]


def write(kind, root, listed):
    """A data set of that source with the images of a list; returns its settings."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    given = {"name": "photos", "source": kind, "root": str(root), "img_size": 16, "val_fraction": 0.4}
    if kind == "folder":
        for part, label, name, content in listed:
            path = root / part / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    elif kind == "wds":
        for part in ("train", "val"):
            with tarfile.open(root / f"{part}-0.tar", "w") as tar:
                for label, name, content in (rest for p, *rest in listed if p == part):
                    stem = name.partition(".")[0]
                    for suffix, data in (("jpg", content), ("cls", b"%d" % CLASSES.index(label))):
                        info = tarfile.TarInfo(f"{stem}.{suffix}")
                        info.size = len(data)
                        tar.addfile(info, io.BytesIO(data))
    elif kind == "torch":  # a set of torchvision's, by files of the names that it reads
        given |= {"name": "food101", "source": "torch", "val_fraction": 0.02}
        for part, label, name, content in listed:
            path = root / "food-101" / "images" / label / f"{part}_{name.partition('.')[0]}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (root / "food-101" / "meta").mkdir()
        for part in ("train", "val"):
            names = [f"{label}/{name}" for p, label, name, _ in listed if p == part]
            (root / "food-101" / "meta" / f"{part}.json").write_text(str(names))
    else:
        datasets = pytest.importorskip("datasets")
        features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=CLASSES))
        parts = {
            part: datasets.Dataset.from_dict(
                {
                    "image": [{"bytes": content, "path": name} for p, _, name, content in listed if p == part],
                    "label": [CLASSES.index(label) for p, label, _, _ in listed if p == part],
                },
                features=features,
            )
            for part in ("train", "val")
        }
        datasets.DatasetDict(parts).save_to_disk(str(root))
    return DataSettings.model_validate(given)


@pytest.mark.parametrize("source", sorted(settings_of_data.SOURCES.keys() - {"builtin"}))
def test_every_source_of_files_is_tried(source):
    assert source in SOURCES, f"let `write` of this file write a data set of source {source}, and add that to SOURCES"


def of(data):
    return describe(data).fingerprint["content"]["digest"]


@pytest.mark.parametrize("kind", SOURCES)
@FEW
@given(what=st.sampled_from(["byte", "name", "label", "part"]), which=st.integers(0, 17), at=st.integers(0, 10**6))
def test_any_change_of_one_image_changes_it_and_no_copy_does(kind, what, which, at, photos, tmp_path):
    listed = images(photos)
    before = of(write(kind, tmp_path / "data", listed))
    assert of(write(kind, tmp_path / "elsewhere" / "copy", listed)) == before
    part, label, name, content = listed[which]
    if what == "byte":
        at %= len(content)
        content = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    elif what == "name":
        name = "z" + name
    elif what == "label":
        label = CLASSES[(CLASSES.index(label) + 1) % 3]
    else:
        part = {"train": "val", "val": "train"}[part]
    listed[which] = part, label, name, content
    assert of(write(kind, tmp_path / "data", listed)) != before


def test_every_key_that_chooses_content_is_in_it(photos, tmp_path):
    data = write("folder", tmp_path / "data", images(photos))
    swapped = data.model_copy(update={"splits": {"train": "val", "test": "train"}})
    assert of(swapped) != of(data)
    classes = tmp_path / "classes.txt"
    classes.write_text("bee\nant\ncat\n")
    assert of(data.model_copy(update={"class_map": str(classes)})) != of(data)
    assert of(data.model_copy(update={"workers": 3})) == of(data)
    sample = data.model_copy(update={"fingerprint": "sample"})
    assert describe(sample).fingerprint["content"]["form"] == "sample" and of(sample) != of(data)
    with pytest.raises(ValueError, match="fingerprint is for source folder"):
        DataSettings.model_validate({"name": "digits", "fingerprint": "sample"})
    assert "content" not in describe(DataSettings.model_validate("digits")).fingerprint


def test_labels_and_columns_of_shards_are_in_it(photos, tmp_path):
    """Labels permuted among images of equal size: nothing but the labels' bytes differs."""
    listed = images(photos)
    before = of(write("wds", tmp_path / "data", listed))
    train = [i for i, (part, *_) in enumerate(listed) if part == "train"]
    labels = [listed[i][1] for i in train]
    for i, label in zip(train, labels[1:] + labels[:1], strict=True):
        listed[i] = (listed[i][0], label, *listed[i][2:])
    assert of(write("wds", tmp_path / "data", listed)) != before


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="datasets is not installed")
def test_columns_and_image_files_beside_the_arrow_files_are_in_it(photos, tmp_path):
    import datasets
    import pyarrow

    from bench.data.sources.hfds import _outside

    paths = [str(path) for path in sorted(photos.glob("train/*/*"))]
    columns = {"image": paths, "label": [0, 1] * (len(paths) // 2), "other": [1, 0] * (len(paths) // 2)}
    saved = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    datasets.DatasetDict({"train": saved, "test": saved}).save_to_disk(str(tmp_path / "saved"))
    given = {"name": "saved", "source": "hfds", "root": str(tmp_path / "saved"), "img_size": 16, "val_fraction": 0.2}
    data = DataSettings.model_validate(given)
    assert of(data.model_copy(update={"label_column": "other"})) != of(data)
    named = pyarrow.table({"image": [{"bytes": b"x", "path": "1.jpg"}, {"bytes": None, "path": "2.jpg"}]})
    assert _outside(types.SimpleNamespace(data=named), "image") == ["2.jpg"]


@given(st.text(min_size=1, max_size=20), st.integers(0, 1 << 30))
@FEW
def test_a_sample_is_chosen_by_name_and_holds_one_block_in_a_hundred(name, size):
    blocks = sampled(name, size)
    assert blocks == sampled(name, size) and all(0 <= b <= size >> 20 for b in blocks)


def test_a_sample_sees_names_and_sizes_of_all_and_bytes_of_some(photos, tmp_path):
    data = write("folder", tmp_path / "data", images(photos)).model_copy(update={"fingerprint": "sample"})
    names = [f"train/ant/{i}.jpg" for i in range(3000)]
    chosen = [name for name in names if sampled(name, 1000)]
    assert 15 <= len(chosen) <= 50
    (tmp_path / "data" / chosen[0]).write_bytes(b"a")
    other = next(name for name in names if name not in chosen)
    (tmp_path / "data" / other).write_bytes(b"a")
    before = of(data)
    (tmp_path / "data" / other).write_bytes(b"b")
    assert of(data) == before
    (tmp_path / "data" / chosen[0]).write_bytes(b"b")
    assert of(data) != before
    changed = of(data)
    (tmp_path / "data" / other).write_bytes(b"bb")
    assert of(data) != changed


def test_a_second_look_reads_nothing_and_a_change_is_seen_by_size_or_times(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FRESH", -1.0)
    data, read, plain = write("folder", tmp_path / "data", images(photos)), [], module.read
    monkeypatch.setattr(module, "read", lambda *a: read.append(a[0]) or plain(*a))
    before = of(data)
    assert len(read) == 18
    assert of(data) == before and len(read) == 18
    path = next((tmp_path / "data").glob("*/*/*"))
    times = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as an archive does; the time of the change stays
    assert of(data) != before and read[18:] == [str(path)]


def test_the_cache_is_resumed_and_a_damaged_one_is_filled_anew(photos, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(module, "FRESH", -1.0)
    monkeypatch.setattr(module, "CHUNK", 4)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    data, read, plain = write("folder", tmp_path / "data", images(photos)), [], module.read

    def stops(*arguments):
        if len(read) == 12:
            raise KeyboardInterrupt
        read.append(arguments[0])
        return plain(*arguments)

    monkeypatch.setattr(module, "read", stops)
    with pytest.raises(KeyboardInterrupt):
        of(data)
    kept = len(HashCache(str(tmp_path / "data")).hashes)
    read = []
    monkeypatch.setattr(module, "read", lambda *a: read.append(a[0]) or plain(*a))
    before = of(data)
    assert kept >= 8 and len(read) == 18 - kept  # of 12 that were read, two threads had at most 3 in unfinished chunks
    (file,) = cache.glob("*.hashes")
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    assert of(data) == before and len(read) == 18 - kept + 18


def test_what_changed_a_moment_ago_is_not_kept(photos, tmp_path, cache):
    of(write("folder", tmp_path / "data", images(photos)))
    assert not list(cache.glob("*.hashes"))


def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"before")
    plain = os.pread
    monkeypatch.setattr(module.os, "pread", lambda *a: path.write_bytes(b"and after") and plain(*a))
    with pytest.raises(FileChanged, match="1.jpg changed while it was read"):
        fingerprint("photos", str(tmp_path), [File(str(path), "1.jpg")], "content")


def test_a_manifest_names_what_is_other(tmp_path):
    files = [File(str(tmp_path / name), name) for name in ("same", "longer", "later", "gone")]
    for file in files:
        (tmp_path / file.name).write_bytes(b"x")
    _, looks = fingerprint("photos", str(tmp_path), files, "content")
    planned = manifest(files, looks)
    assert list(changes(files, planned)) == []
    (tmp_path / "longer").write_bytes(b"xx")
    os.utime(tmp_path / "later", ns=(0, 0))
    (tmp_path / "gone").unlink()
    new = File(str(tmp_path / "new"), "new")
    assert [c.removeprefix(str(tmp_path)) for c in changes([*files, new], planned)] == [
        "/longer has 2 bytes instead of 1", "/later was written to", "/gone: No such file or directory", "/new is new",
    ]  # fmt: skip
    assert list(changes(files[:3], planned))[-1] == "gone is not there any more"
    with pytest.raises(ValueError, match="checksum"):
        list(changes(files, planned[:-1] + b"?"))


def test_prepared_it_is_that_of_the_originals_and_the_form(photos, tmp_path):
    data = write("folder", tmp_path / "data", images(photos))

    def prepared(name, form=None, source=data):
        info = prepare(source, form or Form(18), tmp_path / name)
        return source.model_copy(update={"root": str(tmp_path / name)}), info

    first, info = prepared("first")
    again, _ = prepared("elsewhere")
    assert describe(first).fingerprint == describe(again).fingerprint
    assert of(first) == of(data) and describe(first).fingerprint != describe(data).fingerprint
    for form in (Form(19), Form(18, quality=80)):
        other, _ = prepared(f"{form.short_side}-{form.quality}", form)
        assert describe(other).fingerprint != describe(first).fingerprint
    changed = images(photos)
    changed[0] = (*changed[0][:2], "z" + changed[0][2], changed[0][3])
    other, _ = prepared("others", source=write("folder", tmp_path / "other", changed))
    assert describe(other).fingerprint != describe(first).fingerprint
    index = tmp_path / "first" / "train.index.npy"
    content = bytearray(index.read_bytes())
    content[-8] ^= 1  # the label of the last image
    index.write_bytes(content)
    for look in (lambda: describe(first), lambda: check(tmp_path / "first", info)):
        with pytest.raises(DataError, match="train.index.npy: its content does not match its checksum"):
            look()


def test_many_small_files_take_as_long_as_the_script_says():
    """A small sample of it: that it runs, and that both looks agree."""
    assert all(seconds > 0 for seconds in performance.measure(50, 100))
