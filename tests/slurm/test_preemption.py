"""Preempted again and again, a suite ends at the same bits."""

from __future__ import annotations

from pathlib import Path

import launch
import pytest
import tiny
from cluster import Cluster

pytestmark = pytest.mark.slurm

TEXT = tiny.SUITE.replace("epochs: 2, batch_size: 64", "epochs: 24, batch_size: 16").replace(
    "epochs: 1, batch", "epochs: 20, batch"
)
ONLY = ("--only", "random-*-s0", "--only", "sws-L3-*-s0", "--only", "wave-L1-*-s0")


def test_a_preempted_suite_equals_an_undisturbed_one(slurm: Cluster, tmp_path: Path) -> None:
    suite = launch.suite(tmp_path, TEXT, partition="low", pack=2)
    assert tiny.bench("run", suite, "--launcher", "slurm", "--detach", "--results", tmp_path / "r", *ONLY) == 0
    launch.preempt(slurm, tmp_path / "r", 5)
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", *ONLY) == 0
    assert len(launch.submissions(tmp_path / "r")) == 1, "the second command submitted again"
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", tmp_path / "i", *ONLY) == 0
    assert tiny.numbers(tmp_path / "r") == tiny.numbers(tmp_path / "i")
    assert launch.times_done(tmp_path / "r") == {1}
    assert any("resumed" in log.read_text() for log in (tmp_path / "r").glob("jobs/*/*/log.jsonl"))
