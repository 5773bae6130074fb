"""Retries, and what another launcher says of a job."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.launch.schedule import Schedule
from bench.store import Store
from bench.worker.outcome import Outcome
from tests.bench.plans import Planner


@pytest.fixture
def plan(tmp_path: Path):
    return Planner(tmp_path)(only=["random-L1-*-s0"])


def test_a_failure_is_tried_again_as_often_as_its_kind_may(plan, tmp_path: Path) -> None:
    said: list[str] = []
    retries = {"died": 2, "error": 0}
    schedule = Schedule(plan.jobs.values(), Store(tmp_path / "r"), retries=retries, warn=said.append)
    job = schedule.next()
    assert job is not None
    for _ in range(2):
        schedule.finish(job.id, Outcome("failed", "killed", kind="died"))
        assert schedule.next() is job
    schedule.finish(job.id, Outcome("failed", "killed", kind="died"))
    assert schedule.entries[job.id].state == "failed" and schedule.next() is None and len(said) == 2


def test_without_retries_a_failure_is_final(plan, tmp_path: Path) -> None:
    schedule = Schedule(plan.jobs.values(), Store(tmp_path / "r"))
    job = schedule.next()
    assert job is not None
    schedule.finish(job.id, Outcome("failed", "boom", kind="error"))
    assert not schedule.open
    assert [entry.state for entry in schedule.entries.values()] == ["failed", "skipped"]


def test_marks_change_open_jobs_only(plan, tmp_path: Path) -> None:
    schedule = Schedule(plan.jobs.values(), Store(tmp_path / "r"))
    first, second = schedule.entries
    schedule.mark(first, "running")
    schedule.finish(first, Outcome("done"))
    schedule.mark(first, "running")
    schedule.mark(second, "running")
    assert [entry.state for entry in schedule.entries.values()] == ["done", "running"]
    assert schedule.counts["running"] == 1


def test_what_misses_a_file_of_a_job_elsewhere_fails_and_says_so(plan, tmp_path: Path) -> None:
    """As in an allocation of Slurm, whose schedule has a part of the jobs."""
    learngene, run = plan.jobs.values()
    run.needs = ()
    schedule = Schedule([run], Store(tmp_path / "r"), warn=lambda text: None)
    assert schedule.next() is run
    message = f"learngene {learngene.id}: bench clean removed its learngene.safetensors"
    schedule.finish(run.id, Outcome("damaged", message, ("learngene", learngene.id)))
    entry = schedule.entries[run.id]
    assert entry.state == "failed" and entry.message == f"{message}; run the suite again"
