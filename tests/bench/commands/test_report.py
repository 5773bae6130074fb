"""`bench report` says what it describes where this is not plainly what the command line has."""

import html
import inspect

import pandas

from bench.commands.report import documentation
from methods.random import Random
from methods.wave import Wave
from tests.bench import tiny

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: 1}, {embed_dim: 16, num_heads: 2, depth: 2}]
methods: {random: {}, longer: {use: random, runs: {lr: 0.002}}}
train: {epochs: 0}
seeds: 2
"""


def test_the_last_runs_settings_are_said(tmp_path, capsys):
    suite, results = tiny.write(tmp_path, SUITE), tmp_path / "results"
    words = ("--set", "seeds=1", "--only", "random*")
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", results, *words) == 0
    capsys.readouterr()
    assert tiny.bench("report", suite, "--results", results) == 0
    words = "this describes its last run, which had --set seeds=1 --only 'random*'"
    assert f"note: tiny: {words}" in capsys.readouterr().out
    page = html.unescape((results / "tiny" / "report.html").read_text())
    assert words in page and inspect.getdoc(Random).partition("\n")[0] in page
    # with --set the suite as given is meant, so that there is nothing to say
    assert tiny.bench("report", suite, "--results", results, "--set", "seeds=1", "--out", tmp_path / "given") == 0
    assert "last run" not in capsys.readouterr().out


def test_a_run_of_another_file_of_the_same_name_is_said(tmp_path, capsys):
    suite, results = tiny.write(tmp_path, SUITE), tmp_path / "results"
    other = tmp_path / "other.yaml"
    other.write_text(SUITE.replace("seeds: 2", "seeds: 1"))
    assert tiny.bench("run", other, "--launcher", "inline", "--results", results, "--only", "random*") == 0
    capsys.readouterr()
    assert tiny.bench("report", suite, "--results", results) == 0
    assert f"the last run of this name was of another file, {other}" in capsys.readouterr().out
    assert tiny.bench("report", suite, other, "--results", results, "--out", tmp_path / "both") == 2
    assert "expected suites of different names, found several named tiny" in capsys.readouterr().err


def test_a_file_of_results_has_no_code_imported(tmp_path, monkeypatch):
    """What methods of the project say of themselves is there, by the name of the method or else of the label."""
    (tmp_path / "harmful.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    runs = pandas.DataFrame({"method": ["mine", "ours", "wave"], "method_use": ["harmful:Method", "random", ""]})
    assert documentation(runs) == {"random": inspect.getdoc(Random), "wave": inspect.getdoc(Wave)}
