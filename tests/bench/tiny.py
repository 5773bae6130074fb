"""A suite that takes seconds, and how to run it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main
from tests.bench.warm_command import Command

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 216, augment: {shift: 1}}
targets:
  - {embed_dim: 16, num_heads: 2, depth: [1, 3]}
methods:
  random: {}
  weight_selection: {}
  sws: {stages: 2}
  mixture_growth: {templates: 4}
  wave: {templates: 2, template_size: 8, scaler_steps: 5}
train: {epochs: 2, batch_size: 216}
seeds: 2
checkpoint: {seconds: 0.2}
"""

# a run that trains nothing
ONE_RUN = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}}
train: {epochs: 0}
seeds: 1
"""

# the program as a user starts it, except that reports draw few pictures
FRESH = (sys.executable, str(Path(__file__).with_name("bench_with_few_pictures.py")))

# what may differ between two runs of the same work: times, dates, and where it was done
INCIDENTAL = {"peak_memory_bytes", "started_at", "restarts", "workers_on_device", "git_sha", "git_dirty", "host"}


def write(folder: Path, text: str = SUITE) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def bench(*arguments: object) -> int:
    """Run a command in this process; returns its exit code."""
    return main([str(a) for a in arguments])


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    """Run a command in this process, which ends with this exit code; returns what it prints."""
    capsys.readouterr()
    assert bench(*arguments) == code
    out, err = capsys.readouterr()
    return out + err


def row_of(text: str, first: str) -> list[str]:
    """The row of a printed table that starts with a word."""
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def process(*arguments: object) -> Command:
    """Start a command in a process of its own, which leads its group, forked from a warm one."""
    return Command(*arguments)


def fresh_process(*arguments: object) -> subprocess.Popen:
    """Start a command as a user does, in a process group of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=environment,
    )


def rows(results: Path, suite: str = "tiny") -> list[dict[str, str]]:
    with (results / suite / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def numbers(results: Path, suite: str = "tiny") -> list[dict[str, str]]:
    """runs.csv without what may differ."""
    table = rows(results, suite)
    apart = ("seconds", "_workers")
    keep = [{k: v for k, v in row.items() if k not in INCIDENTAL and not k.endswith(apart)} for row in table]
    assert keep and "top1" in keep[0] and "train_flops" in keep[0]
    return keep
