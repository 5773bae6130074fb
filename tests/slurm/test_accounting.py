"""With accounting, what Slurm has forgotten is still told apart."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from bench.launch.slurm import squeue
from bench.launch.slurm.view.view import View
from bench.plan import make_plan
from bench.results.states import JobStates
from bench.store import Store
from bench.suite import load
from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = (
    launch.PLAIN
    + '''
class Boom(Plain):
    """Fails."""
    def initialize(self, target, learngene, lab): raise RuntimeError("boom")

class Sleeps(Plain):
    """Until somebody ends it."""
    def initialize(self, target, learngene, lab): time.sleep(600)
'''
)
DEPTHS = range(1, 7)
SLEEPERS = {f"Sleeps-L{depth}" for depth in DEPTHS}
LABELS = "".join(f"  {name}: {{use: 'ends:{name}', seeds: [0]}}\n" for name in ("Plain", "Boom", "Sleeps"))
WISHES = ["slurm.memory=1900MB", "slurm.runs_per_job=1", "slurm.learngene.runs_per_job=9", "slurm.retries.died=0"]
ONLY = ["Plain-L6-*", "Boom-L6-*", "Sleeps-*"]


class Suite:
    """A suite on the cluster, and what becomes of it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        text = tiny.SUITE.replace("  random: {}\n", LABELS).replace("depth: [1, 3]", f"depth: {[*DEPTHS]}")
        self.cluster, self.path, self.results = cluster, launch.suite(folder, text), folder / "r"
        sets = [word for wish in WISHES for word in ("--set", wish)]
        only = [word for pattern in ONLY for word in ("--only", pattern)]
        command = ("run", self.path, "--launcher", "slurm", "--results", self.results, "--detach", *only, *sets)
        assert tiny.bench(*command) == 0
        (submission,) = launch.submissions(self.results)
        self.names = {jobs[0].partition("-d16")[0]: name for name, jobs in submission.elements()}

    def states(self) -> dict[str, tuple[str, str]]:
        """(status, reason) of each run."""
        store, plan = Store(self.results), make_plan(load(self.path, WISHES), ONLY)
        states = JobStates(plan, store, View(store, "tiny"))
        return {cell.run.partition("-d16")[0]: states.state(cell.run) for cell in plan.cells if not cell.skipped}

    def at_work(self) -> set[str]:
        return {label for label in SLEEPERS if list(self.results.glob(f"jobs/run/{label}-*/lock.*"))}

    def queued(self) -> set[str]:
        """What waits or runs."""
        there = self.cluster.call("squeue", "-h", "-r", "-o", "%i").split()
        return {label for label, name in self.names.items() if name in there}

    def kill_batch(self, label: str) -> None:
        """The batch script, which then says nothing."""
        array, _, task = self.names[label].partition("_")
        wanted = {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task}
        for process in self.cluster.processes():
            with contextlib.suppress(psutil.Error):
                if wanted.items() <= process.environ().items() and "slurm_script" in " ".join(process.cmdline()):
                    process.kill()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm forgets what has ended after minutes; here it does at once."""
    asked = squeue.squeue

    def only_what_lives(suite: str) -> dict[str, squeue.Element] | None:
        found = asked(suite)
        return None if found is None else {id: element for id, element in found.items() if element.alive}

    monkeypatch.setattr(squeue, "squeue", only_what_lives)


def test_ends_are_told_apart_when_squeue_has_forgotten(
    slurm_with_sacct: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgetful: None
) -> None:
    """Done, failed, cancelled by hand in the queue and at work, a batch script that is killed, and `bench cancel`."""
    (tmp_path / "ends.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    suite = Suite(slurm_with_sacct, tmp_path)
    wait = slurm_with_sacct.wait
    wait(lambda: len(suite.at_work()) == 4 and not {"Plain-L6", "Boom-L6"} & suite.queued())
    first, second, *others = sorted(suite.at_work())
    waiting, last = sorted(SLEEPERS - suite.at_work())
    slurm_with_sacct.call("scancel", suite.names[waiting], suite.names[first])
    suite.kill_batch(second)
    wait(lambda: not {first, second, waiting} & suite.queued())
    found = suite.states()
    assert found["Plain-L6"] == ("done", "") and found["Boom-L6"] == ("failed", "RuntimeError: boom")
    assert found[first] == ("interrupted", "cancelled (scancel); a rerun goes on")
    assert found[waiting][0] == "interrupted" and "cancelled while it waited" in found[waiting][1]
    assert found[second][0] == "failed" and "Slurm: " in found[second][1], found[second]
    assert tiny.bench("cancel", suite.path, "--results", suite.results) == 0
    wait(lambda: not suite.queued())
    found = suite.states()
    for label in (last, *others):
        assert found[label][0] == "interrupted" and "cancelled by bench cancel" in found[label][1]
    assert found["Plain-L6"][0] == "done" and found["Boom-L6"][0] == found[second][0] == "failed"
