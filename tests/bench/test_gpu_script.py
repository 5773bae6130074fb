"""tests/performance/gpu.py, tiny and on the CPU: so that it works the day a GPU is there."""

import csv
import multiprocessing
import os
import signal
import subprocess
import time
import warnings

import psutil
import pytest
import torch

from tests.bench.until import until
from tests.chaos import forked
from tests.performance import gpu
from tests.performance.gpu_parts import PARTS, TINY, Left, Record, Row, commands
from tests.performance.gpu_parts.rows import FAILED, attempt, attempts
from tests.performance.gpu_parts.waits import MESSAGE, by_line

CPU = torch.device("cpu")


def rows(folder):
    with (folder / "gpu.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def forked_commands(monkeypatch):
    """What a part starts is forked from it."""
    monkeypatch.setattr(commands, "start", forked.bench)


def test_every_part_measures_something(tmp_path, forked_commands):
    troubles = gpu.run(list(PARTS), CPU, TINY, tmp_path, "a CPU")
    assert not any(troubles.values()), troubles
    measured = rows(tmp_path)
    assert {row["part"] for row in measured} == {part.__name__ for part in PARTS}
    values = {(row["part"], row["case"], row["what"]): float(row["value"]) for row in measured}
    by_what = {what: value for (_, _, what), value in values.items()}
    positive = ("images/s", "times timm's loop", "times the dense step", "of images in memory", "ms a step")
    assert all(by_what[what] > 0 for what in (*positive, "runs/h, times one by one", "of the noise of seeds"))
    assert {v for (_, _, what), v in values.items() if what == "largest difference of a weight"} == {0}
    assert by_what["points of top-1 from one undisturbed"] == by_what["of loss from one undisturbed"] == 0
    assert ("small", "tiny, 2 at once, MPS", "MPS is not available here") in values
    page = (tmp_path / "gpu.md").read_text()
    assert "not complete" not in page and all(f"| {part.__name__} |" in page for part in PARTS)


def test_a_part_that_fails_or_is_late_loses_no_other_row(tmp_path, monkeypatch):
    def late(device, size):
        yield Row("late", "", "seen", 0.0)

    def dies(device, size):
        yield Row("dies", "", "seen", 1.0)
        os._exit(3)

    def fails(device, size):
        yield Row("fails", "", "seen", 2.0)
        raise RuntimeError("no luck")

    def goes_on(device, size):
        yield from attempt("goes_on", "first", fails(device, size))
        yield Row("goes_on", "second", "seen", 3.0)

    parts = [late, dies, fails, goes_on]
    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(parts, 600.0) | {late: 0.0})
    troubles = gpu.run(parts, CPU, TINY, tmp_path, "a CPU")
    assert "no time was left" in troubles["late"] and "ended with 3" in troubles["dies"]
    assert "no luck" in troubles["fails"] and troubles["goes_on"] == "first failed"
    assert [float(row["value"]) for row in rows(tmp_path) if row["what"] == "seen"] == [1, 2, 2, 3]
    assert "| goes_on | first | failed: RuntimeError: no luck | nan |  |" in (tmp_path / "gpu.md").read_text()
    assert (tmp_path / "gpu.md").read_text().count("is not complete") == 4


def test_a_part_whose_time_is_up_ends_what_it_started(tmp_path, monkeypatch):
    starts = starting(tmp_path)
    monkeypatch.setattr(gpu, "PARTS", {starts: 600.0})
    clock = time.monotonic  # which goes 600 seconds on when the first row is there
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock() + 600.0 * (tmp_path / "gpu.csv").exists())
    assert "560 s were up" in gpu.run([starts], CPU, TINY, tmp_path, "a CPU")["starts"]
    assert (tmp_path / "ended").exists()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_sigterm_ends_the_part_and_leaves_what_was_measured(tmp_path, monkeypatch):
    starts = starting(tmp_path)
    monkeypatch.setattr(gpu, "PARTS", {starts: 600.0, late: 600.0})
    monkeypatch.setattr(gpu, "gpu_name", lambda: "a GPU")
    process = multiprocessing.get_context("fork").Process(target=gpu.main, args=(["--out", str(tmp_path)],))
    process.start()
    until(lambda: (tmp_path / "gpu.md").exists() or not process.is_alive())
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    assert [row["value"] for row in rows(tmp_path)] == ["1.0", "nan", "nan"]  # what is missing has a row each
    page = (tmp_path / "gpu.md").read_text()
    assert "starts is not complete: this was written while it ran" in page
    assert "late is not complete: its turn did not come" in page
    assert (tmp_path / "ended").exists()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def starting(folder):
    """A part that starts a command and waits."""

    def starts(device, size):
        with subprocess.Popen(["sleep", "infinity"]) as command:
            (folder / "pid").write_text(str(command.pid))
            try:
                yield Row("starts", "", "seen", 1.0)
                signal.pause()
            finally:
                (folder / "ended").touch()

    return starts


def late(device, size):
    yield Row("late", "", "seen", 2.0)


@pytest.mark.parametrize("parts", [list(PARTS), list(PARTS)[1:3]])
def test_parts_take_ten_minutes_at_most_and_few_take_as_much(parts):
    assert sum(gpu.shares(parts)) == pytest.approx(560)  # the rest is for ending the last


def test_what_is_cut_is_named_and_a_second_call_adds_it(tmp_path, monkeypatch):
    def cut(device, size):
        yield Left(("first", "second"))
        yield Row("cut", "first", "seen", 1.0)
        yield Left(("second",))
        os._exit(3)

    def whole(device, size):
        yield from attempts("whole", {"one": iter([Row("whole", "one", "seen", 2.0)])})

    monkeypatch.setattr(gpu, "PARTS", {cut: 1.0, whole: 1.0})
    gpu.run([cut, whole], CPU, TINY, tmp_path, "a CPU")
    page = (tmp_path / "gpu.md").read_text()
    assert "| cut | second | not measured to the end: its process ended with 3 | nan |  |" in page
    assert "cut is not complete: its process ended with 3; missing: second" in page
    assert "tests.performance.gpu --parts cut`" in page

    def mended(device, size):
        yield from attempts("cut", {case: iter([Row("cut", case, "seen", 3.0)]) for case in ("first", "second")})

    mended.__name__ = "cut"
    monkeypatch.setattr(gpu, "PARTS", {mended: 1.0})
    gpu.run([mended], CPU, TINY, tmp_path, "another CPU")
    places = [(row["where"], row["part"], row["case"], float(row["value"])) for row in rows(tmp_path)]
    assert places == [
        ("a CPU", "whole", "one", 2), ("another CPU", "cut", "first", 3), ("another CPU", "cut", "second", 3)
    ]  # fmt: skip
    page = (tmp_path / "gpu.md").read_text()
    assert "a CPU:" in page and "another CPU:" in page and "missing" not in page


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.main(["--out", str(tmp_path)]) == 1
    assert "no GPU" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_waits_are_counted_by_line(monkeypatch):
    def train(steps):
        warnings.warn(MESSAGE, stacklevel=1)  # once, as in a warm-up
        for _ in range(steps):
            warnings.warn(MESSAGE, stacklevel=1)
            warnings.warn("something else", stacklevel=1)

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    line = train.__code__.co_firstlineno + 3
    places = {"waits a step, in Python": 1, f"waits a step at tests/bench/test_gpu_script.py:{line}": 1}
    assert {row.what: row.value for row in by_line(TINY, "waits", "case", train)} == places


def test_what_was_measured_stays_until_it_is_measured_again(tmp_path):
    first = Record(tmp_path, "a GPU", {"a": "its turn did not come", "b": ""}, {"a": ("one", "two")})
    first.rows = [Row("b", "one", "seen", 7.0), Row("b", "two", "seen", 8.0)]
    first.write()
    second = Record(tmp_path, "a GPU", {"a": "", "b": "this was written while it ran"}, {"b": ("one", "two")})
    second.read(second.troubles)
    second.rows = [Row("a", "one", "seen", 1.0)]
    second.write()
    assert [(row["part"], row["case"], row["value"]) for row in rows(tmp_path)] == [
        ("b", "one", "7.0"), ("b", "two", "8.0"), ("a", "one", "1.0"),
    ]  # fmt: skip
    second.rows += [Row("b", "one", "seen", 9.0), Row("b", "two", f"{FAILED}no luck", float("nan"))]
    second.left["b"] = ("two",)
    second.write()
    assert [row["value"] for row in rows(tmp_path)] == ["8.0", "1.0", "9.0", "nan"]
