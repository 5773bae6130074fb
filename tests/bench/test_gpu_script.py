"""tests/performance/gpu.py, tiny and on the CPU: so that it works the day a GPU is there."""

import csv
import os
import subprocess
import time

import psutil
import torch

from tests.performance import gpu, gpu_parts
from tests.performance.gpu_parts import PARTS, TINY, Row

CPU = torch.device("cpu")


def test_every_part_but_whole_suites_measures_something(tmp_path):
    parts = [part for part in PARTS if part not in (gpu_parts.suite, gpu_parts.small)]
    troubles = gpu.run(parts, CPU, TINY, tmp_path, "a CPU")
    assert not any(troubles.values()), troubles
    with (tmp_path / "gpu.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["part"] for row in rows} == {part.__name__ for part in parts}
    values = {(row["part"], row["what"]): float(row["value"]) for row in rows}
    assert values["safety", "largest difference of a weight"] == 0
    assert values["memory", "images/s"] > 0 and values["wave", "times the dense step"] > 0
    page = (tmp_path / "gpu.md").read_text()
    assert "not complete" not in page and all(f"| {part.__name__} |" in page for part in parts)


def test_a_part_that_fails_or_is_late_loses_no_other_row(tmp_path, monkeypatch):
    def dies(device, size):
        yield Row("dies", "", "seen", 1.0)
        os._exit(3)

    def fails(device, size):
        yield Row("fails", "", "seen", 2.0)
        raise RuntimeError("no luck")

    def sleeps(device, size):
        time.sleep(600)
        yield Row("sleeps", "", "seen", 3.0)

    parts = [dies, fails, sleeps]
    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(parts, 600.0) | {sleeps: 0.0})
    troubles = gpu.run(parts, CPU, TINY, tmp_path, "a CPU")
    assert "ended with 3" in troubles["dies"] and "no luck" in troubles["fails"] and "0 s were up" in troubles["sleeps"]
    with (tmp_path / "gpu.csv").open() as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [1, 2]
    assert (tmp_path / "gpu.md").read_text().count("is not complete") == 3


def test_a_part_whose_time_is_up_ends_what_it_started(tmp_path, monkeypatch):
    def starts(device, size):
        with subprocess.Popen(["sleep", "600"]) as command:
            (tmp_path / "pid").write_text(str(command.pid))
            try:
                yield Row("starts", "", "seen", 1.0)
                time.sleep(600)
            finally:
                (tmp_path / "ended").touch()

    monkeypatch.setattr(gpu, "PARTS", {starts: 5.0})
    assert "5 s were up" in gpu.run([starts], CPU, TINY, tmp_path, "a CPU")["starts"]
    assert (tmp_path / "ended").exists()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_parts_take_ten_minutes_at_most():
    assert sum(PARTS.values()) < 600


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.main(["--out", str(tmp_path)]) == 1
    assert "no NVIDIA GPU" in capsys.readouterr().out and not list(tmp_path.iterdir())
