"""Jobs to arrays: what waits for what, packing, chunks, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.jobs import estimated_flops
from bench.launch.slurm.submission.groups import MANY, Array, make_arrays
from bench.plan import Plan
from bench.suite.slurm import Slurm
from tests.bench import tiny
from tests.bench.plans import Planner


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Planner(tmp_path)("seeds=3")


def order_is_kept(arrays: list[Array], plan: Plan, queued: dict[str, str]) -> None:
    """Every job once, and whatever it needs is in its group, in an element that is waited for, or queued before."""
    place = {job.id: (a, e) for a, array in enumerate(arrays) for e, group in enumerate(array.groups) for job in group}
    assert sum(len(group) for array in arrays for group in array.groups) == len(place)
    for a, array in enumerate(arrays):
        assert all(other < a for other, _ in array.after)
        for e, group in enumerate(array.groups):
            for job in group:
                for need in job.needs:
                    known = place.get(need) in ((a, e), *array.after) or queued.get(need) in array.queued
                    assert known or need not in plan.jobs


@pytest.mark.parametrize("pack", [1, 2, 1000])
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_what_is_needed_is_waited_for(plan: Plan, pack: int, limit: int) -> None:
    arrays = make_arrays(plan.jobs, Slurm(runs_per_job=pack), {}, limit)
    order_is_kept(arrays, plan, {})
    assert {job.id for array in arrays for group in array.groups for job in group} == set(plan.jobs)
    assert all(len(array.groups) <= limit for array in arrays)
    assert all(len([j for j in group if j.kind == "run"]) <= pack for array in arrays for group in array.groups)


def test_what_is_queued_is_waited_for_by_its_id(plan: Plan) -> None:
    (ancestor,) = (id for id, job in plan.jobs.items() if job.kind == "ancestor")
    todo = {id: job for id, job in plan.jobs.items() if id != ancestor}
    arrays = make_arrays(todo, Slurm(), {ancestor: "7_3"}, 1000)
    order_is_kept(arrays, plan, {ancestor: "7_3"})
    assert any(array.queued == {"7_3"} for array in arrays)


def test_a_start_shares_the_allocation_of_its_run_unless_it_asks_for_something_else(plan: Plan) -> None:
    together = make_arrays(plan.jobs, Slurm(), {}, 1000)
    assert {"start", "run"} in [{job.kind for job in group} for array in together for group in array.groups]
    apart = make_arrays(plan.jobs, Slurm.model_validate({"start": {"time": 7}}), {}, 1000)
    assert all(len(group) == 1 for array in apart for group in array.groups)
    assert {array.wishes.time for array in apart if array.kind == "start"} == {7}
    order_is_kept(apart, plan, {})


def test_packs_are_about_equally_long(plan: Plan) -> None:
    arrays = make_arrays(plan.jobs, Slurm(runs_per_job=3), {}, 1000)
    runs = [array for array in arrays if array.kind == "run" and len(array.groups) > 1]
    loads = [[sum(estimated_flops(job) for job in group) for group in array.groups] for array in runs]
    assert loads and all(max(load) <= 2 * min(load) for load in loads)


def test_few_arrays_even_where_every_run_waits_for_something_else(tmp_path: Path) -> None:
    text = tiny.SUITE.replace("seeds: 2", "seeds: 40\nreplicate: all")
    plan = Planner(tmp_path)(text=text, only=["random-L1-*"])
    assert len({job.needs for job in plan.jobs.values() if job.kind == "run"}) == 40 > MANY
    arrays = make_arrays(plan.jobs, Slurm(), {}, 1000)
    assert len(arrays) == 2
    order_is_kept(arrays, plan, {})


def test_the_cap_on_allocations_holds_over_all_arrays_of_a_kind(plan: Plan) -> None:
    arrays = make_arrays(plan.jobs, Slurm(array_parallelism=8), {}, 2)
    runs = [array for array in arrays if array.kind == "run"]
    assert len(runs) > 2 and sum(array.parallelism for array in runs) <= max(8, len(runs))
