"""A suite that a real Slurm preempts again and again, and that has to end at the bits of an undisturbed one.

    python -m tests.chaos.slurm_preemption [--times 5] [--out FILE]

Brings up the test cluster (tests/slurm/cluster.py) and submits runs of one suite in two ways at once: two with one in
an allocation, and four with two in an allocation, which trains both at once. Each allocation is preempted so many
times. Then what `check` asserts holds, or the script ends with what did not. Some minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

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
# two runs of each seed after an ancestor and two learngenes
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


@dataclass(frozen=True)
class Way:
    """How runs are packed into allocations."""

    runs: int  # in an allocation
    seeds: str  # of the runs, as a pattern
    settings: tuple[str, ...] = ()
    allocations: int = 2  # of runs

    @property
    def only(self) -> list[str]:
        return [word for run in ("sws-L3-*", "selection-L1-*") for word in ("--only", f"{run}-s{self.seeds}")]


SEVERAL = ("runs_per_job=2", "learngene.runs_per_job=4", "run.workers=2", "run.memory=3500MB")  # both runs at once
WAYS = {"one": Way(1, "0"), "several": Way(2, "*", SEVERAL)}
COLUMNS = "| runs in an allocation | allocations | preempted, each | in the end |\n| ---: | ---: | ---: | --- |"


@dataclass
class Trial:
    """The suite, run here without a disturbance; `submit` it in some ways, `preempt`, `check`."""

    cluster: Cluster
    folder: Path  # on sys.path
    times: int  # that each allocation of runs is preempted

    def __post_init__(self) -> None:
        (self.folder / "slowly.py").write_text(MODULE)
        self.suite = launch.suite(self.folder, TEXT, partition="low", pack=1)
        self.undisturbed = self.folder / "inline"
        self.ways: list[str] = []  # that were submitted
        whole = WAYS["several"].only
        assert tiny.bench("run", self.suite, "--launcher", "inline", "--results", self.undisturbed, *whole) == 0

    def run(self, way: str, *more: str) -> int:
        words = [word for setting in WAYS[way].settings for word in ("--set", f"slurm.{setting}")]
        where = ("--results", self.folder / way)
        return tiny.bench("run", self.suite, "--launcher", "slurm", *where, *WAYS[way].only, *words, *more)

    def submit(self, way: str) -> None:
        assert self.run(way, "--detach") == 0
        self.ways.append(way)

    def preempt(self) -> None:
        launch.preempt(self.cluster, {self.folder / way: self.times for way in self.ways})

    def check(self, way: str) -> None:
        """The same command waits for the end, submits nothing, and the numbers are the undisturbed ones."""
        results = self.folder / way
        assert self.run(way) == 0
        assert len(launch.submissions(results)) == 1, "the second command submitted again"
        found, expected = tiny.numbers(results), {row["run"]: row for row in tiny.numbers(self.undisturbed)}
        assert len(found) == WAYS[way].runs * WAYS[way].allocations
        assert found == [expected[row["run"]] for row in found]
        assert launch.times_done(results) == {1}
        requeued = launch.requeued(results)
        assert len(requeued) == WAYS[way].allocations and min(requeued.values()) >= self.times
        assert launch.happened(results, "stopped") == 0, "one element took others of its array along"
        assert any('"resumed"' in log.read_text() for log in results.glob("jobs/run/*/log.jsonl"))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--out", type=Path, help="append the rows of the table to this file")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    sys.path.insert(0, str(folder))
    cluster = Cluster(Path(f"/tmp/slurm-chaos-{os.getpid()}")).up()
    os.environ |= cluster.env() | {"OMP_NUM_THREADS": "1", "TIMES": str(given.times)}
    try:
        trial = Trial(cluster, folder, given.times)
        for way in WAYS:
            trial.submit(way)
        trial.preempt()
        print(COLUMNS)
        for way, packed in WAYS.items():
            trial.check(way)
            row = f"| {packed.runs} | {packed.allocations} | {given.times} | as undisturbed |"
            print(row, flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(row + "\n")
    finally:
        cluster.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
