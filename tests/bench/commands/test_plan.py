"""`bench plan` as a user reads it."""

import re

import pytest

from bench.commands.plan import duration
from tests.bench.tiny import bench, row_of, said, write


def test_plan_of_nothing_done(tmp_path, capsys):
    text = said(capsys, "plan", write(tmp_path), "--results", tmp_path / "r")
    assert text.startswith("tiny: 20 runs, 28 jobs; results in ")
    assert row_of(text, "L3-d16")[1:] == ["digits", "10,378", "39,584"]
    assert row_of(text, "wave") == ["wave", "4", "0", "4", "0", "2", "epochs"]
    assert row_of(text, "weight_selection")[1:5] == ["4", "0", "2", "2"]
    assert row_of(text, "run")[1:4] == ["18", "0", "18"] and row_of(text, "start")[1:4] == ["4", "0", "4"]
    assert "skipped: weight_selection L3-d16 (2 runs): cannot grow depth: ancestor 2, target 3" in text
    (of_all,) = re.findall(r"^in all (\S+) FLOPs: about (\S+) s of one core at 30 GFLOP a second", text, re.M)
    assert of_all == ("7.4e+09", "0") and "--probe" in text
    assert not (tmp_path / "r").exists()


def test_plan_of_what_is_done(tiny_results, tmp_path, capsys):
    text = said(capsys, "plan", write(tmp_path), "--results", tiny_results)
    assert row_of(text, "run")[1:4] == ["18", "18", "0"] and "all done: bench run would train nothing" in text
    text = said(capsys, "plan", write(tmp_path), "--results", tiny_results, "--set", "train.epochs=4", "--all")
    assert row_of(text, "run")[1:4] == ["18", "0", "18"] and row_of(text, "learngene")[1:4] == ["5", "5", "0"]
    assert " on one worker, at the speed of the jobs that are done" in text and "of one core" not in text
    assert sum(line.startswith("to do  run ") for line in text.splitlines()) == 18
    assert sum(line.startswith("done   ") for line in text.splitlines()) == 10


def test_what_trains_nothing_tells_no_speed(tmp_path, capsys):
    path, results = write(tmp_path), ("--results", tmp_path / "r")
    evaluated = ("--set", "train.epochs=0", "--only", "random-L1-*-s0")
    assert bench("run", path, *evaluated, "--launcher", "inline", *results) == 0
    text = said(capsys, "plan", path, *results)
    assert row_of(text, "learngene")[1:4] == ["5", "1", "4"] and "at the speed of" not in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
