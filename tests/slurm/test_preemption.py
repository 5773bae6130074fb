"""Preempted again and again, a suite ends at the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = '''
import os, time
from methods.sws import StageWiseSharing
from methods.weight_selection import WeightSelection

class Slowly:
    """On Slurm each step takes its time, without work for the machine."""
    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        if "SLURM_JOB_ID" in os.environ:
            target.register_forward_hook(lambda *_: time.sleep(0.05))

class Sws(Slowly, StageWiseSharing): pass
class Selection(Slowly, WeightSelection): pass
'''
# two runs of ten seconds after an ancestor and two learngenes
TEXT = (
    tiny.SUITE.partition("methods:")[0]
    + """methods:
  sws: {use: 'slowly:Sws', stages: 2}
  selection: {use: 'slowly:Selection'}
train: {steps: 180, batch_size: 16, eval_every: 60}
seeds: 2
checkpoint: {seconds: 0.2}
"""
)
ONLY = ("--only", "sws-L3-*-s0", "--only", "selection-L1-*-s0")
TIMES = 5


def test_preempted_suites_equal_an_undisturbed_one(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one run in an allocation and with several, both at once."""
    (tmp_path / "slowly.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = launch.suite(tmp_path, TEXT, partition="low", pack=1)
    several = ("--set", "slurm.runs_per_job=2", "--set", "slurm.learngene.runs_per_job=2")
    ways = {tmp_path / "one": (), tmp_path / "several": several}
    for results, settings in ways.items():
        command = ("run", suite, "--launcher", "slurm", "--detach", "--results", results, *ONLY, *settings)
        assert tiny.bench(*command) == 0
    for results in ways:
        launch.preempt(slurm, results, TIMES, beside=tuple(ways))
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", tmp_path / "inline", *ONLY) == 0
    for results, settings in ways.items():
        assert tiny.bench("run", suite, "--launcher", "slurm", "--results", results, *ONLY, *settings) == 0
        assert len(launch.submissions(results)) == 1, "the second command submitted again"
        assert tiny.numbers(results) == tiny.numbers(tmp_path / "inline")
        assert launch.times_done(results) == {1} and launch.happened(results, "requeue") >= TIMES
        assert launch.happened(results, "stopped") == 0, "one element took others of its array along"
        assert any('"resumed"' in log.read_text() for log in results.glob("jobs/run/*/log.jsonl"))
