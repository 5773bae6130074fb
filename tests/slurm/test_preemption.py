"""Preempted again and again, a suite ends at the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = '''
import os, signal, time
from methods.sws import StageWiseSharing
from methods.weight_selection import WeightSelection

class Slowly:
    """On Slurm each step takes its time, without work for the machine; and in an allocation that is to be preempted
    none ends before that: after some steps the next waits for the signal."""
    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        self.steps = 0
        if "SLURM_JOB_ID" in os.environ:
            target.register_forward_hook(self.step)
    def step(self, *_):
        self.steps += 1
        time.sleep(0.05)
        if int(os.environ.get("SLURM_RESTART_COUNT", 0)) < int(os.environ["TIMES"]):
            while self.steps > 25 and not signal.getsignal(signal.SIGTERM).requested:
                time.sleep(0.05)

class Sws(Slowly, StageWiseSharing): pass
class Selection(Slowly, WeightSelection): pass
'''
# two runs after an ancestor and two learngenes
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
TIMES = {"one": 3, "several": 5}  # how often each allocation is preempted, of which there are two and one


def test_preempted_suites_equal_an_undisturbed_one(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six times with one run in an allocation, and five times with both, on a node each, both ways at once."""
    (tmp_path / "slowly.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = launch.suite(tmp_path, TEXT, partition="low", pack=1)
    several = ("slurm.nodelist=n2", "slurm.runs_per_job=2", "slurm.learngene.runs_per_job=2")
    both = ("slurm.run.workers=2", "slurm.run.memory=3500MB")  # at once
    wishes = {tmp_path / "one": ("slurm.nodelist=n1",), tmp_path / "several": several + both}
    ways = {results: [word for wish in some for word in ("--set", wish)] for results, some in wishes.items()}
    for results, settings in ways.items():
        monkeypatch.setenv("TIMES", str(TIMES[results.name]))
        command = ("run", suite, "--launcher", "slurm", "--detach", "--results", results, *ONLY, *settings)
        assert tiny.bench(*command) == 0
    launch.preempt(slurm, {results: TIMES[results.name] for results in ways})
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", tmp_path / "inline", *ONLY) == 0
    for results, settings in ways.items():
        assert tiny.bench("run", suite, "--launcher", "slurm", "--results", results, *ONLY, *settings) == 0
        assert len(launch.submissions(results)) == 1, "the second command submitted again"
        assert tiny.numbers(results) == tiny.numbers(tmp_path / "inline")
        assert launch.times_done(results) == {1} and launch.happened(results, "requeue") >= 5
        assert launch.happened(results, "stopped") == 0, "one element took others of its array along"
        assert any('"resumed"' in log.read_text() for log in results.glob("jobs/run/*/log.jsonl"))
