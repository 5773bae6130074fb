"""The time left, from the training that is done: jobs that train nothing tell no speed of those that do."""

from __future__ import annotations

import pytest

from bench.launch import progress as module
from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.store import Store
from bench.worker.outcome import Outcome
from tests.bench.plans import Planner


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A display of a suite whose ancestor, two learngenes and two runs are to do, and its clock."""
    clock = {"now": 1000.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: clock["now"])

    def make(*settings, only=("random-L1-*-s0", "weight_selection-L*-s0")):
        plan = Planner(tmp_path)(*settings, only=list(only))
        schedule = Schedule(plan.jobs.values(), Store(tmp_path / "r"))
        return Progress(plan, schedule, live=False), schedule, clock

    return make


def of(schedule, kind, name=""):
    return [e for e in schedule.entries.values() if e.job.kind == kind and e.job.id.startswith(name)]


def finish(schedule, *entries, state="done"):
    for entry in entries:
        schedule.mark(entry.job.id, "running")
        schedule.finish(entry.job.id, Outcome(state, kind="error"))


def test_a_job_without_training_tells_nothing(shown):
    progress, schedule, clock = shown()
    clock["now"] += 10
    finish(schedule, *of(schedule, "learngene", "random"))
    assert progress.time_left() == "time left unknown"


def test_the_share_of_the_training_that_is_done(shown, monkeypatch):
    progress, schedule, clock = shown()
    clock["now"] += 10
    finish(schedule, *of(schedule, "learngene"))
    (ancestor,) = of(schedule, "ancestor")
    finish(schedule, ancestor)
    runs = of(schedule, "run")
    left = sum(run.units for run in runs)
    assert len(runs) == 2 and progress.time_left() == f"about {module._duration(10 * left / ancestor.units)} left"
    notes = {runs[0].job.id: {"step": 3, "total": 4}}
    monkeypatch.setattr(progress, "note", lambda job: notes.get(job.id, {}))
    schedule.mark(runs[0].job.id, "running")
    part = 0.75 * runs[0].units
    assert progress.time_left() == f"about {module._duration(10 * (left - part) / (ancestor.units + part))} left"


def test_what_fails_takes_nothing_more_and_is_no_work(shown):
    progress, schedule, clock = shown()
    clock["now"] += 10
    finish(schedule, *of(schedule, "ancestor"), state="failed")
    assert schedule.counts["skipped"] == 2 and progress.time_left() == "time left unknown", "not: about 0:00 left"


def test_where_only_jobs_without_training_are_left(shown):
    progress, schedule, clock = shown()
    clock["now"] += 10
    finish(schedule, *of(schedule, "ancestor"), *of(schedule, "run"))
    assert progress.time_left() == "only jobs without training left"


def test_where_nothing_trains_jobs_are_counted(shown):
    progress, schedule, clock = shown("train.epochs=0", only=["random-L*-s0"])
    entries = list(schedule.entries.values())
    assert not any(entry.trains for entry in entries) and len(entries) == 3
    clock["now"] += 10
    finish(schedule, entries[0])
    assert progress.time_left() == "about 0:20 left"
