"""`bench report` of several sources. The way of a user's own method to a page beside the committed tables is that of
docs/your_method.md, which tests/bench/console/test_install.py goes."""

import csv
from contextlib import nullcontext

import pytest

from bench.report.frames import write_curves, write_runs
from tests.bench import tiny
from tests.bench.report.report_frames import make

SUITE = """
name: mine
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 2}]
methods: {random: {}}
train: {epochs: 0}
seeds: 2
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without pictures: test_join draws them."""
    monkeypatch.setattr("bench.report.write.begun", lambda *_: nullcontext(list))


def written(folder, **over):
    folder.mkdir()
    runs, curves = make(methods=("random", "wave"), depths=(2,), **over)
    write_runs(runs, folder / "runs.csv")
    write_curves(curves, folder / "curves.csv")
    return folder / "runs.csv"


def test_files_alone_are_joined_and_the_result_is_a_table_like_any(tmp_path, capsys):
    files = [written(tmp_path / "a", suite="one"), written(tmp_path / "b", suite="two", seeds=2)]
    arguments = [word for file in files for word in ("--from", file)]
    assert tiny.bench("report", *arguments) == 2
    assert "of joined results: expected --out DIR too" in capsys.readouterr().err
    assert tiny.bench("report", *arguments, "--out", tmp_path / "out") == 0
    assert "Rows" not in capsys.readouterr().err
    assert tiny.bench("report", "--from", tmp_path / "out" / "runs.csv", "--out", tmp_path / "again") == 0
    for name in ("runs.csv", "tables.md", "comparisons.csv", "reach.csv"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "again" / name).read_text()


def test_what_does_not_go_together_is_refused_unless_across(tmp_path, capsys):
    files = [written(tmp_path / "a", suite="one"), written(tmp_path / "b", suite="two", engine=7)]
    arguments = [word for file in files for word in ("--from", file)]
    assert tiny.bench("report", *arguments, "--out", tmp_path / "out") == 2
    assert "engine: 1 in one, 7 in two" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert tiny.bench("report", *arguments, "--out", tmp_path / "out", "--across") == 0
    assert "note: joined across: engine: 1 in one, 7 in two" in capsys.readouterr().out


def test_results_of_two_folders(tmp_path, capsys):
    suite = tiny.write(tmp_path, SUITE)
    folders = [tmp_path / "here", tmp_path / "there"]
    for seed, folder in enumerate(folders):
        words = ("--launcher", "inline", "--results", folder, "--only", f"*-s{seed}")
        assert tiny.bench("run", suite, *words) == 0
    both = [word for folder in folders for word in ("--results", folder)]
    assert tiny.bench("report", suite, *both, "--out", tmp_path / "out", "--only", "*") == 0
    with (tmp_path / "out" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["status"], row["source"]) for row in rows] == [
        ("0", "done", "here (own)"), ("1", "done", "there (own)"),
    ]  # fmt: skip
    assert tiny.bench("report", "--results", folders[0], "--out", tmp_path / "no") == 2
    assert "expected suite files" in capsys.readouterr().err


def test_labels_of_others_are_shown_and_not_sent(tmp_path, capsys):
    mine, theirs = written(tmp_path / "mine"), written(tmp_path / "theirs")
    theirs.write_text(theirs.read_text().replace(",wave,", ",wa\x1b]52;c;AAAA\x07ve,"))
    assert tiny.bench("report", "--from", mine, "--from", theirs, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\x07" not in said
