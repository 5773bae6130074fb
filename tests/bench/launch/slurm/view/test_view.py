"""What is made of squeue's answers: a state and a reason for each job, and none that claims too much."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.files import write_json
from bench.launch.slurm import squeue
from bench.launch.slurm.squeue import Element
from bench.launch.slurm.submission.groups import make_arrays
from bench.launch.slurm.submission.record import Submission
from bench.launch.slurm.view.view import View
from bench.results.rows import JobStates
from bench.store import JobDir, Store
from bench.store.job_dir import FAILURE
from bench.suite.slurm import Slurm
from tests.bench.plans import Planner


class Cluster:
    """A submitted suite of one run, and a squeue that answers what the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan, self.store = Planner(folder)(only=["random-L1-*-s0"]), Store(folder / "r")
        arrays = make_arrays(self.plan.jobs, Slurm(), {}, 1000)
        self.submission = Submission.new(self.plan, self.store, arrays, folder / "code", "DIGEST", [])
        self.submission.submitted(0, "1")
        self.submission.submitted(1, "2")
        self.gene, self.run = (job.id for job in self.plan.jobs.values())
        self.answer: dict[str, Element] | None = {}
        self.accounts: dict[str, Element] = {}
        monkeypatch.setattr(squeue, "squeue", lambda suite: self.answer)
        monkeypatch.setattr(squeue, "sacct", lambda ids: self.accounts)

    def says(self, state: str, reason: str = "None") -> tuple[str, str]:
        """The state of the run when the learngene's element is over and the run's is in this state."""
        self.answer = {"2": Element("2", state, reason, self.submission.data["token"])} if state else {}
        return self.look(self.run)

    def look(self, id: str) -> tuple[str, str]:
        return JobStates(self.plan, self.store, View(self.store, "tiny")).state(id)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path, monkeypatch)


def fail(folder: JobDir, message: str, at: float) -> None:
    """Leave a failure of a time."""
    write_json(folder.path / FAILURE, {"error": message, "time": at})


def start(cluster: Cluster) -> None:
    cluster.store.job(cluster.plan.jobs[cluster.run]).append_log("start")


def test_queued_and_requeued(cluster: Cluster) -> None:
    assert cluster.says("PENDING", "Priority") == ("pending", "Slurm job 2 waits: Priority")
    start(cluster)
    (cluster.submission.folder / "events").mkdir()
    (cluster.submission.folder / "events" / "2.jsonl").write_text('{"event": "requeue"}\n')
    assert cluster.says("PENDING", "BeginTime") == ("pending", "requeued, Slurm job 2 waits: BeginTime")


@pytest.mark.parametrize("begun", [False, True])
def test_an_allocation_that_runs_makes_no_job_running(cluster: Cluster, begun: bool) -> None:
    if begun:
        start(cluster)
    assert cluster.says("RUNNING")[0] == "pending"


ENDS = {
    "OUT_OF_MEMORY": ("failed", "OUT_OF_MEMORY"),
    "NODE_FAIL": ("failed", "NODE_FAIL"),
    "TIMEOUT": ("failed", "TIMEOUT"),
    "CANCELLED": ("interrupted", "scancel"),
    "COMPLETED": ("interrupted", "a rerun goes on"),
    "": ("interrupted", "a rerun goes on"),
}


@pytest.mark.parametrize("state", ENDS)
def test_ends_are_told_apart(cluster: Cluster, state: str) -> None:
    start(cluster)
    found, reason = cluster.says(state)
    assert found == ENDS[state][0] and ENDS[state][1] in reason


def test_accounting_knows_what_squeue_forgot(cluster: Cluster) -> None:
    start(cluster)
    cluster.accounts = {"2": Element("2", "NODE_FAIL")}
    assert cluster.says("") == ("failed", f"Slurm: NODE_FAIL ({cluster.submission.log('2')})")


def test_a_scheduler_that_does_not_answer_says_nothing(cluster: Cluster) -> None:
    cluster.answer = None
    assert cluster.look(cluster.run) == ("pending", "")
    start(cluster)
    assert cluster.look(cluster.run)[0] == "interrupted"


def test_the_holder_of_a_lock_is_believed_only_while_its_element_runs(cluster: Cluster) -> None:
    lock = cluster.store.job(cluster.plan.jobs[cluster.run]).lock()
    lock.update(slurm="2")
    assert lock.acquire()
    try:
        assert cluster.says("RUNNING") == ("running", "")
        assert cluster.says("PENDING", "BeginTime")[0] == "pending"
        cluster.answer = None
        assert cluster.look(cluster.run) == ("running", "")
    finally:
        lock.release()


def test_a_failure_before_the_submission_is_being_tried_again(cluster: Cluster) -> None:
    folder = cluster.store.job(cluster.plan.jobs[cluster.run])
    fail(folder, "boom", time.time() - 60)
    assert cluster.says("PENDING", "Priority")[0] == "pending"
    assert cluster.says("COMPLETED") == ("failed", "boom")
    fail(folder, "boom", time.time() + 60)
    assert cluster.says("COMPLETED") == ("failed", "boom")


def test_what_was_ended_as_a_whole_says_why(cluster: Cluster) -> None:
    """Also where Slurm has forgotten it, and where it was started after all and left at once."""
    cluster.submission.halt("cancelled by bench cancel (me)")
    cluster.submission.halt("what is said first stays")
    for state in ("", "CANCELLED", "COMPLETED"):
        assert cluster.says(state) == ("interrupted", "cancelled by bench cancel (me); a rerun goes on")
    assert cluster.says("PENDING", "Priority")[0] == "pending", "not over yet"
    view = View(cluster.store, "tiny")
    assert view.alive("2") and not view.stands("2", cluster.submission), "a new command submits it again"


def test_a_failure_counts_at_once_unless_it_is_about_to_be_tried_again(cluster: Cluster) -> None:
    """In an allocation that goes on with others. A job that died is tried once more."""
    folder = cluster.store.job(cluster.plan.jobs[cluster.run])

    def fails(kind: str) -> tuple[str, str]:
        folder.fail(kind, kind=kind)
        return cluster.says("RUNNING")

    assert fails("error") == ("failed", "error")
    assert fails("died")[0] == "pending"
    assert fails("died") == ("failed", "died")


def test_elements_that_accounting_shows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "7_1|RUNNING\n7_[0,2-4%2]|CANCELLED by 0\n9|COMPLETED\n"
    monkeypatch.setattr(squeue, "ask", lambda *command: said)
    found = {id: element.state for id, element in squeue.sacct(["7_0", "9"]).items()}
    ended = dict.fromkeys(("7_0", "7_2", "7_3", "7_4"), "CANCELLED")
    assert found == {"7_1": "RUNNING", "9": "COMPLETED", **ended}
