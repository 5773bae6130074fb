"""Suites from Python: the same plans, jobs and rows as by the command line, and the examples of the page."""

import re
import warnings
from pathlib import Path

import pytest

from bench import api
from bench.errors import BenchError, SuiteError, UsageError
from tests.bench.tiny import bench, rows, write

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "library.md").read_text()
ONLY = ["random-L1-*", "weight_selection-L1-*-s0"]
SETTINGS = {"train.epochs": 0, "targets.0.depth": [1]}


def example(name):
    (code,) = re.findall(rf"<!-- tested: {name} -->\n```python\n(.*?)```", PAGE, re.S)
    return code


def test_a_plan_a_run_and_its_rows_are_those_of_the_command_line(tmp_path):
    suite = write(tmp_path)
    some = {"settings": SETTINGS, "only": ONLY, "results": tmp_path / "r"}
    planned = api.plan(suite, **some)
    assert planned["kind"].tolist() == ["ancestor", "learngene", "learngene", "run", "run", "run"]
    assert not planned["done"].any() and planned["flops"].iloc[0] > 0 and not (tmp_path / "r").exists()
    runs = api.run(suite, **some, launcher="inline")
    assert runs["status"].tolist() == ["done"] * 3 and runs["seed"].tolist() == [0, 1, 0]
    assert api.plan(suite, **some)["done"].all()
    written = rows(tmp_path / "r")
    assert [row["run"] for row in written] == runs["run"].tolist()
    assert [float(row["top1"]) for row in written] == runs["top1"].tolist()
    before = [path.stat().st_mtime_ns for path in (tmp_path / "r").glob("jobs/*/*/result.json")]
    words = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    words += [word for pattern in ONLY for word in ("--only", pattern)]
    assert bench("run", suite, *words, "--results", tmp_path / "r") == 0  # nothing is done again
    assert before == [path.stat().st_mtime_ns for path in (tmp_path / "r").glob("jobs/*/*/result.json")]
    for known in (api.frame(suite, **some), api.frame(tmp_path / "r" / "tiny" / "runs.csv")):
        assert known.drop(columns=["reason"]).equals(runs.drop(columns=["reason"]))
    assert bench("status", suite, "--results", tmp_path / "r") == 0  # what was kept can be read


def test_what_is_wrong_is_raised(tmp_path):
    suite = write(tmp_path)
    with pytest.raises(SuiteError, match="train.epoch"):
        api.plan(suite, settings={"train.epoch": 1})
    with pytest.raises(UsageError, match="matches none of 20 runs"):
        api.run(suite, only=["nothing-*"], results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_failed_jobs_are_raised_with_their_logs_and_the_rows_are_there(tmp_path):
    suite = write(tmp_path)
    some = {"settings": {"train.lr": 1e30, "train.clip_grad": None}, "only": ["random-L1-*-s0"]}
    some |= {"results": tmp_path / "r"}
    with pytest.raises(BenchError, match=r"jobs failed:\nrun random-L1-.*log\.jsonl\)"):
        api.run(suite, **some, launcher="inline")
    (row,) = api.frame(suite, **some).to_dict("records")
    assert row["status"] == "failed" and row["run"]


def test_warnings_are_pythons(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    some = {"only": ["random-L1-*-s0"], "settings": SETTINGS, "results": tmp_path / "r", "launcher": "inline"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        api.run(write(tmp_path), **some)
    write(other).write_text((tmp_path / "tiny.yaml").read_text() + "# another\n")
    with pytest.warns(UserWarning, match="has the tables of another suite of that name"):
        api.run(other / "tiny.yaml", **some)


def test_the_examples_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(PROJECT)
    exec(compile(example("methods"), "library.md", "exec"), {})
    code = example("suites").replace('"results": "results"', f'"results": {str(tmp_path / "r")!r}')
    code = code.replace("jobs=2", "launcher='inline'").replace("random-L2-*", "random-L2-*-s0")
    values: dict = {}
    exec(compile(code, "library.md", "exec"), values)
    assert values["jobs"]["kind"].tolist() == ["learngene", "run"] and values["runs"]["epochs"].tolist() == [2]
    assert len(values["known"]) == 54 and "random L2-d64" in " ".join(capsys.readouterr().out.split())
