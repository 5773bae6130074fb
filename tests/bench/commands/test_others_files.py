"""Links in the results, names that lead out of them, files that are no job's: what is a stranger's stays as it is."""

import json
import shutil

import pytest

from bench.store import JobDir
from tests.bench.jpegs import write_images
from tests.bench.tiny import bench, process, rows, write

PHOTOS = """
name: tiny
dataset: {name: NAME, source: folder, root: ROOT, img_size: 16, workers: 0}
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}]
methods: {random: {}}
"""


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def runs(capsys, launcher, *arguments):
    """(exit code, what it said) of `bench run`, whose warm process, where there is one, is forked from the tests'."""
    words = ("run", *arguments, "--launcher", launcher)
    if launcher == "inline":
        return bench(*words), "".join(capsys.readouterr())
    started = process(*words, "--jobs", 1)
    said, _ = started.communicate(timeout=1800)
    return started.returncode, said


@pytest.mark.parametrize("launcher", ["inline", "local"])
def test_a_job_folder_that_is_a_link_leads_to_a_strangers_files(one_run, launcher, tmp_path, capsys):
    suite, folder = one_run
    stranger = tmp_path / "stranger"
    shutil.rmtree(folder)
    stranger.mkdir()
    for name in ("thesis.tex", "result.json", "log.jsonl", "checkpoint.pt"):
        (stranger / name).write_text("mine")
    before = content(stranger)
    folder.symlink_to(stranger)
    code, said = runs(capsys, launcher, suite, "--results", tmp_path / "r")
    assert code == 1 and f"{folder} is a link; expected a folder of its own" in said
    assert content(stranger) == before and rows(tmp_path / "r")[0]["status"] != "done"
    folder.unlink()
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0


@pytest.mark.parametrize(("launcher", "name"), [("inline", "log.jsonl"), ("local", "output.txt")])
def test_a_log_that_is_a_link_is_not_appended_to(one_run, launcher, name, tmp_path, capsys):
    suite, folder = one_run
    stranger = tmp_path / "stranger.txt"
    stranger.write_text("mine")
    for path in folder.iterdir():
        path.unlink()
    (folder / name).symlink_to(stranger)
    code, said = runs(capsys, launcher, suite, "--results", tmp_path / "r")
    assert code == 1 and stranger.read_text() == "mine" and "Traceback" not in said


def test_a_damaged_job_takes_only_its_own_files_aside(one_run, tmp_path, capsys):
    suite, folder = one_run
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden").write_text("mine")
    (folder / "sub").mkdir()
    own = {path.name for path in folder.iterdir()} - {"notes.txt", ".hidden", "sub"}
    (folder / "result.json").write_text("{")
    aside = JobDir(folder).set_aside()
    assert {path.name for path in aside.iterdir()} == own
    assert {path.name for path in folder.iterdir()} == {"notes.txt", ".hidden", "sub"}
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0


@pytest.mark.parametrize("name", ["..", ".", "../x", "x/y", ".x"])
def test_a_data_set_is_no_path(name, tmp_path, capsys):
    write_images(tmp_path / "photos", ["ant", "bee"], {"train": 3, "val": 1})
    suite = write(tmp_path, PHOTOS.replace("ROOT", str(tmp_path / "photos")).replace("NAME", json.dumps(name)))
    (tmp_path / "parent" / "out").mkdir(parents=True)
    (tmp_path / "parent" / ".mine.tmp").write_text("mine")
    before = content(tmp_path / "parent")
    assert bench("prepare", suite, "--out", tmp_path / "parent" / "out", "--jobs", 1) == 2
    assert "name: expected a name that matches" in capsys.readouterr().err
    assert content(tmp_path / "parent") == before


def test_preparing_removes_its_own_leftovers_alone(tmp_path):
    write_images(tmp_path / "photos", ["ant", "bee"], {"train": 3, "val": 1})
    suite = write(tmp_path, PHOTOS.replace("ROOT", str(tmp_path / "photos")).replace("NAME", "photos"))
    out = tmp_path / "out" / "photos"
    out.mkdir(parents=True)
    for name in (".mine.tmp", ".train-00000.tar.0123abcd.tmp", ".train-00000.json.12.0123abcd.tmp"):
        (out / name).write_text("")
    assert bench("prepare", suite, "--out", tmp_path / "out", "--jobs", 1) == 0
    assert [path.name for path in out.iterdir() if path.name.endswith(".tmp")] == [".mine.tmp"]
