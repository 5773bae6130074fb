"""`bench report` of several sources: the user's own runs beside tables that others made."""

import csv
import html
from pathlib import Path

import pytest

from bench.report.frames import write_curves, write_runs
from tests.bench import tiny
from tests.bench.report.report_frames import make

REFERENCE = Path(__file__).parents[3] / "results/reference"
METHOD = '''
from dataclasses import dataclass
from typing import ClassVar

from methods import Initializer, Learngene


@dataclass
class Halved(Initializer):
    """timm's own draw, scaled."""

    ancestors: ClassVar[int] = 0
    caution: ClassVar[str] = "an example: no paper has it"
    scale: float = 0.5

    def condense(self, ancestor, lab):
        return Learngene({}, {})

    def initialize(self, target, learngene, lab):
        for parameter in target.parameters():
            parameter.data.mul_(self.scale)
'''
# the recipe, data and one target of suites/digits_variable_depth.yaml
SUITE = """
name: mine
dataset: digits
targets: [{embed_dim: 64, num_heads: 2, depth: 2, patch_size: 2}]
methods: {random: {}, halved: {use: joined_halved:Halved}}
train: {epochs: 5, batch_size: 32, lr: 1.0e-3}
seeds: 1
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without pictures: test_join draws them."""
    monkeypatch.setattr("bench.report.write.draw_all", lambda analyses, looks: iter(()))


def written(folder, **over):
    folder.mkdir()
    runs, curves = make(methods=("random", "wave"), depths=(2,), **over)
    write_runs(runs, folder / "runs.csv")
    write_curves(curves, folder / "curves.csv")
    return folder / "runs.csv"


def test_a_run_of_ones_own_beside_the_committed_table(tmp_path, capsys):
    (tmp_path / "joined_halved.py").write_text(METHOD)
    suite, results = tiny.write(tmp_path, SUITE), tmp_path / "results"
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", results) == 0
    capsys.readouterr()
    table, out = REFERENCE / "digits_variable_depth" / "runs.csv", tmp_path / "page"
    assert tiny.bench("report", suite, "--results", results, "--from", table, "--out", out) == 0
    said = capsys.readouterr().out
    with (out / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    theirs = [row for row in rows if row["source"] == "digits_variable_depth"]
    own = {row["method"]: row for row in rows if row["source"] == "mine (own)"}
    assert len(theirs) in (53, 54) and set(own) in ({"random", "halved"}, {"random@mine", "halved"})
    with table.open() as file:
        committed = {row["run"]: row for row in csv.DictReader(file)}
    for row in theirs:
        assert row["top1"] == committed[row["run"].partition("@")[0]]["top1"]
    assert own.get("random", own.get("random@mine"))["run"] in committed  # that is how it is known to be the same
    assert ("shown once" if "random" in own else "the same identity have other numbers") in said
    page = html.unescape((out / "report.html").read_text())
    assert "Your own rows (mine): " in page and "Joined from a table, not run by you (digits_variable_depth)" in page
    assert "an example (halved): no paper has it" in page
    assert own["halved"]["method_use"] == "joined_halved:Halved" and own["halved"]["caution"]


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
    text = SUITE.replace(
        "embed_dim: 64, num_heads: 2, depth: 2, patch_size: 2", "embed_dim: 16, num_heads: 2, depth: 1"
    )
    text = text.replace(", halved: {use: joined_halved:Halved}", "").replace("epochs: 5", "epochs: 0")
    suite = tiny.write(tmp_path, text.replace("seeds: 1", "seeds: 2"))
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
