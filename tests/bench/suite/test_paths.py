"""Paths in a suite start at its file, those of `--set` at the working directory; neither is taken for the other."""

import os

import pytest

from bench.suite import load
from tests.bench.jpegs import write_images
from tests.bench.tiny import bench, write

SUITE = """\
name: elsewhere
dataset: {name: photos, source: folder, root: photos, img_size: 16}
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}]
methods: {random: {}}
train: {epochs: 1, batch_size: 2}
"""
ANCESTOR = "ancestor: {checkpoint: weights.pth}\n"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """(folder of the suite, working directory), each with a data set of the same name and other classes."""
    suites, here = tmp_path / "suites", tmp_path / "here"
    for folder, classes in ((suites, ["ant", "bee"]), (here, ["cat", "dog", "eel"])):
        write_images(folder / "photos", classes, {"train": 4, "val": 2}, size=8)
    monkeypatch.chdir(here)
    return suites, here


def test_a_relative_path_starts_at_the_suite(folders):
    suites, _ = folders
    for path in (write(suites, SUITE), os.path.relpath(write(suites, SUITE))):
        suite = load(type(suites)(path))
        assert suite.data[0].settings.root == str(suites / "photos")
        assert [len(data.description.classes) for data in suite.data] == [2]


@pytest.mark.parametrize(
    "setting",
    ["dataset.root=photos", "dataset={name: photos, source: folder, root: photos, img_size: 16}"],
)
def test_one_of_the_command_line_starts_at_the_working_directory(folders, setting):
    """And is kept absolute: what a run kept of its suite is read again from anywhere."""
    suites, here = folders
    suite = load(write(suites, SUITE), [setting])
    assert suite.data[0].settings.root == suite.resolved["dataset"]["root"] == str(here / "photos")
    assert suite.data[0].description.num_classes == 3


def test_a_variable_is_left_to_who_reads_it(folders, monkeypatch):
    suites, here = folders
    monkeypatch.setenv("PHOTOS", str(here))
    suite = load(write(suites, SUITE.replace("root: photos", "root: $PHOTOS/photos")))
    assert suite.data[0].settings.root == "$PHOTOS/photos" and suite.data[0].description.num_classes == 3


ONLY_HERE = [
    ("root: photos", "root: mine", "dataset.root", "mine"),
    ("root: photos", "root: photos, class_map: names.txt", "dataset.class_map", "names.txt"),
    ("name: elsewhere", "name: elsewhere\nprepared: mine", "prepared", "mine"),
    ("methods: {random: {}}", f"methods: {{sws: {{}}}}\n{ANCESTOR}", "ancestor.checkpoint", "weights.pth"),
]


@pytest.mark.parametrize(("old", "new", "key", "name"), ONLY_HERE, ids=[case[2] for case in ONLY_HERE])
def test_what_is_only_in_the_working_directory_is_an_error(old, new, key, name, folders, capsys):
    suites, here = folders
    write_images(here / "mine", ["cat", "dog"], {"train": 4, "val": 2}, size=8)
    for file in ("names.txt", "weights.pth"):
        (here / file).write_text("cat\ndog\n")
    path = write(suites, SUITE.replace(old, new))
    assert bench("plan", path) == 2
    message = capsys.readouterr().err
    assert f": {key}: {suites / name} is not there, but {here / name} is; " in message
    assert f"expected {key.rpartition('.')[2]}: ../here/{name}" in message
    if key != "ancestor.checkpoint":  # whose content is none
        path.write_text(path.read_text().replace(f": {name}", f": ../here/{name}"))
        capsys.readouterr()
        bench("plan", path)
        assert "is not there, but" not in capsys.readouterr().err


def test_a_checkpoint_beside_the_suite(folders):
    suites, here = folders
    (suites / "weights.pth").write_bytes(b"beside the suite")
    (here / "weights.pth").write_bytes(b"another one")
    path = write(suites, SUITE.replace("random", "weight_selection") + ANCESTOR)
    read = [load(path, settings) for settings in ([], ["ancestor.checkpoint=weights.pth"])]
    files = [suite.ancestors["ancestor"].model["checkpoint"] for suite in read]
    assert files == [str(suites / "weights.pth"), str(here / "weights.pth")]


def test_status_reads_what_a_run_kept_with_the_paths_of_the_suite(folders, monkeypatch, capsys):
    suites, here = folders
    path = write(suites, SUITE)
    words = ("--results", here / "results")
    assert bench("run", path, *words, "--launcher", "inline", "--set", "device=cpu") == 0
    monkeypatch.chdir(suites)
    capsys.readouterr()
    assert bench("status", path.name, *words) == 0
    counts = {line.split()[0]: line.split()[1:3] for line in capsys.readouterr().out.splitlines() if line}
    assert counts["run"] == ["1", "1"]  # one of one is done
