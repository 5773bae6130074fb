"""`bench plan` as a user reads it."""

import re

import pytest

from bench.commands import common, plan
from bench.commands.plan import duration
from tests.bench.tiny import bench, row_of, said, write


def test_plan_of_nothing_done(tmp_path, capsys):
    text = said(capsys, "plan", write(tmp_path), "--results", tmp_path / "r", "--set", "device=cpu")
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


@pytest.mark.parametrize(
    ("settings", "present", "unit"),
    [
        ((), [], "core"),
        ((), ["0"], "core"),
        (("device=cuda",), ["0"], "GPU"),
        (("train.precision=bf16",), [], "GPU"),
        (("train.precision=fp16",), [], "GPU"),
        (("methods.random.runs.precision=bf16",), [], "GPU"),
        (("device=cpu",), ["0"], "core"),
        (("device=cpu", "train.precision=bf16"), ["0"], "core"),
    ],
)
def test_hours_are_of_what_the_suite_is_for(settings, present, unit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "gpus", lambda: present)
    chosen = [word for setting in settings for word in ("--set", setting)]
    text = said(capsys, "plan", write(tmp_path), "--results", tmp_path / "r", *chosen)
    (said_unit,) = re.findall(r"^in all \S+ FLOPs: about \S+ \S+ of one (\w+) at ", text, re.M)
    assert said_unit == unit
    assert ("at 25 TFLOP a second (assumed: DeiT-S on an A100" in text) == (unit == "GPU")


def test_hours_of_a_gpu_are_at_the_rate_that_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plan, "GPU_PACE", 5e6)
    text = said(capsys, "plan", write(tmp_path), "--results", tmp_path / "r", "--set", "train.precision=bf16")
    (flops, minutes) = re.findall(r"^in all (\S+) FLOPs: about (\S+) min of one GPU", text, re.M)[0]
    assert float(flops) / 5e6 / 60 == pytest.approx(float(minutes), rel=0.03)


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
