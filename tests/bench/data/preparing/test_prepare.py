"""Preparing folders of JPEG images, by `bench prepare`: killed, resumed, with damaged images, and used."""

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest
from PIL import Image
from timm.data import create_transform

from bench.data.settings import INFO
from tests.bench.jpegs import write_images
from tests.bench.photo_suites import CLASSES, suite, write_photos
from tests.bench.tiny import bench, numbers


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """40 pixels or so: evaluation at 16 scales them to 18."""
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def prepared(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    assert bench("prepare", suite(folder, photos), "--out", folder / "out", "--jobs", 1) == 0
    return folder / "out" / "photos"


def test_what_is_written(photos, prepared):
    info = json.loads((prepared / INFO).read_text())
    assert info["classes"] == CLASSES
    assert {part: split["num_samples"] for part, split in info["splits"].items()} == {"train": 36, "test": 12}
    assert info["splits"]["train"]["per_class"] == [12, 12, 12]
    assert {path.name for path in prepared.iterdir()} == {
        INFO, *(f"{part}{end}" for part in ("train", "test") for end in ("-00000.tar", "-00000.json", ".index.npy")),
    }  # fmt: skip
    with tarfile.open(prepared / "train-00000.tar") as tar:
        first = tar.extractfile("000000013.jpg").read()
        assert tar.extractfile("000000013.cls").read() == b"1"
    original = Image.open(photos / "train" / "bee" / "bee_1.JPEG")
    evaluation = create_transform(16, crop_pct=0.875, interpolation="bicubic").transforms[0]
    expected = io.BytesIO()
    evaluation(original).save(expected, "JPEG", quality=95)
    assert original.size == (44, 41) and Image.open(io.BytesIO(first)).size == (19, 18)
    assert first == expected.getvalue()


def test_again_it_does_nothing_and_another_form_is_refused(photos, prepared, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in prepared.iterdir()}
    assert bench("prepare", suite(tmp_path, photos), "--out", prepared.parent) == 0
    assert {path: path.stat().st_mtime_ns for path in prepared.iterdir()} == before
    assert bench("prepare", suite(tmp_path, photos), "--out", prepared.parent, "--quality", 80) == 1
    assert "prepared otherwise (form); give another --out" in capsys.readouterr().err


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.cli import main
from bench.data.preparing import prepare

def add(*arguments, add=prepare._add):
    if list(Path(sys.argv[4]).glob("photos/train-?????.json")):  # in the middle of the second shard
        os.kill(os.getpid(), signal.SIGKILL)
    return add(*arguments)

prepare._add = add
main(sys.argv[1:])
"""


def test_killed_it_goes_on_to_the_same_bytes(tmp_path):
    data = write_images(tmp_path / "data", CLASSES, {"train": 400, "val": 3}, size=20)
    file = suite(tmp_path, data)
    assert bench("prepare", file, "--out", tmp_path / "whole", "--jobs", 1) == 0
    out = tmp_path / "killed"
    words = [sys.executable, "-c", KILLED, "prepare", file, "--out", out, "--jobs", "1"]
    killed = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=1800)  # its workers end too
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    whole = [path.with_suffix(".tar") for path in out.glob("photos/train-?????.json")]
    kept = {path: path.stat().st_mtime_ns for path in whole}
    assert not (out / "photos" / INFO).exists() and len(kept) == 1
    assert bench("plan", file, "--set", f"prepared={out}", "--results", tmp_path) == 2  # half of it is not it
    assert bench("prepare", file, "--out", out, "--jobs", 1) == 0
    assert content(out / "photos") == content(tmp_path / "whole" / "photos")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_damaged_image_is_named_or_left_out(tmp_path, capsys):
    data = write_images(tmp_path / "data", CLASSES, {"train": 5, "val": 2})
    bad = data / "train" / "bee" / "bee_3.JPEG"
    bad.write_bytes(bad.read_bytes()[:500])
    file, out = suite(tmp_path, data), tmp_path / "out"
    assert bench("prepare", file, "--out", out, "--jobs", 1) == 1
    error = capsys.readouterr().err
    assert str(bad) in error and "--skip-broken" in error
    assert bench("prepare", file, "--out", tmp_path / "other", "--jobs", 1, "--skip-broken") == 0
    said = capsys.readouterr().out
    assert f"left out: {bad}" in said and "14 train, 6 test" in said
    assert bench("plan", file, "--set", f"prepared={tmp_path / 'other'}", "--results", tmp_path) == 0


def test_runs_on_it_equal_runs_on_the_same_images_in_a_folder(photos, prepared, tmp_path, capsys):
    """And have an identity of their own."""
    results = {}
    for part in ("train", "test"):
        with tarfile.open(prepared / f"{part}-00000.tar") as tar:
            for member in tar.getmembers():
                if member.name.endswith(".jpg"):
                    label = int(tar.extractfile(member.name.replace("jpg", "cls")).read())
                    image = tmp_path / "unpacked" / part / CLASSES[label] / member.name
                    image.parent.mkdir(parents=True, exist_ok=True)
                    image.write_bytes(tar.extractfile(member).read())
    for name, root, words in (
        ("original", photos, ()),
        ("unpacked", tmp_path / "unpacked", ()),
        ("prepared", photos, ("--set", f"prepared={prepared.parent}")),
        ("root", prepared, ()),
    ):
        where = ("--launcher", "inline", "--results", tmp_path / name)
        assert bench("run", suite(tmp_path, root), *where, *words) == 0, capsys.readouterr()
        results[name] = numbers(tmp_path / name)[0]
    ids = {name: row.pop("run") for name, row in results.items()}
    assert ids["prepared"] == ids["root"] and len({ids[n] for n in ("original", "prepared")}) == 2
    for row in results.values():
        for name in ("learngene", "log", "data"):
            row.pop(name)
    assert results["prepared"] == results["root"] == results["unpacked"]
    assert results["prepared"]["loss"] != results["original"]["loss"]


def test_images_that_are_small_enough_stay_as_they_are(photos, tmp_path):
    assert bench("prepare", suite(tmp_path, photos), "--out", tmp_path / "out", "--short-side", 50, "--jobs", 1) == 0
    with tarfile.open(tmp_path / "out" / "photos" / "train-00000.tar") as tar:
        kept = tar.extractfile("000000000.jpg").read()
    assert kept == (photos / "train" / "ant" / "ant_0.JPEG").read_bytes()


def test_a_shard_that_is_cut_is_noticed(photos, prepared, tmp_path, capsys):
    shutil.copytree(prepared, tmp_path / "photos")
    shard = tmp_path / "photos" / "train-00000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    assert bench("plan", suite(tmp_path, photos), "--set", f"prepared={tmp_path}") == 2
    error = capsys.readouterr().err
    assert str(shard) in error and "prepare the data set again" in error
    (tmp_path / "photos" / INFO).unlink()
    kept = (tmp_path / "photos" / "test-00000.tar").stat().st_mtime_ns
    assert bench("prepare", suite(tmp_path, photos), "--out", tmp_path, "--jobs", 1) == 0
    assert content(tmp_path / "photos") == content(prepared)
    assert (tmp_path / "photos" / "test-00000.tar").stat().st_mtime_ns == kept


def test_check_finds_a_changed_byte(photos, prepared, tmp_path, capsys):
    shutil.copytree(prepared, tmp_path / "photos")
    words = ("prepare", suite(tmp_path, photos), "--out", tmp_path, "--check")
    assert bench(*words) == 0
    assert "every shard matches its checksum" in capsys.readouterr().out
    shard = tmp_path / "photos" / "train-00000.tar"
    content = bytearray(shard.read_bytes())
    content[2000] ^= 1
    shard.write_bytes(content)
    assert bench(*words) == 1
    assert f"{shard}: its content does not match" in capsys.readouterr().err
