"""At the time limit: what saves goes on in the next allocation, what never does is given up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = '''
import os, time
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class Slow(Initializer):
    """Steps that take their time on any machine, in the first allocation that comes to one; then they are quick."""
    ancestors = 0
    def condense(self, ancestor, lab): return Learngene({}, {})
    def initialize(self, target, learngene, lab): target.register_forward_hook(self.step)
    def step(self, *_):
        allocation, mark = os.environ.get("SLURM_RESTART_COUNT", "0"), os.environ["MARK"]
        if not os.path.exists(mark):
            with open(mark, "w") as file:
                file.write(allocation)
        if open(mark).read() == allocation:
            time.sleep(0.2)  # this test is about time: there are more steps than fit into the limit

class Stuck(Slow):
    """Never gets to a step."""
    def initialize(self, target, learngene, lab): time.sleep(600)
'''


def test_what_saves_goes_on_and_what_does_not_is_given_up(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once within a limit of two minutes, of which Slurm may take one: it warns up to a minute early. Of a
    limit of one it would leave no time to start, for as often as it likes."""
    (tmp_path / "stuck.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    labels = "".join(f"  {name}: {{use: 'stuck:{name.title()}', seeds: [0]}}\n" for name in ("slow", "stuck"))
    text = tiny.SUITE.replace("  random: {}\n", labels)
    text = text.replace("epochs: 2, batch_size: 216", "steps: 900, batch_size: 8, eval_every: 900")
    only = ("--only", "slow-L1-*", "--only", "stuck-L1-*")
    suite = launch.suite(tmp_path, text)
    launch.make_needed(suite, tmp_path / "r", "slow-L1-*", "stuck-L1-*")
    settings = ("--set", "slurm.run.time=2", "--set", "slurm.max_timeouts=1")
    settings += ("--set", "slurm.workers=2", "--set", "slurm.memory=3500MB")
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", *only, *settings) == 1
    by_method = {row["method"]: row for row in tiny.rows(tmp_path / "r")}
    assert by_method["stuck"]["status"] == "failed"
    assert "timed out 1 times (2 min) without a checkpoint" in by_method["stuck"]["reason"]
    assert by_method["slow"]["status"] == "done"
    assert launch.happened(tmp_path / "r", "timeout") >= 1 and launch.happened(tmp_path / "r", "requeue") >= 1
    (log,) = (tmp_path / "r").glob("jobs/run/Slow-*/log.jsonl")
    assert '"resumed"' in log.read_text()
