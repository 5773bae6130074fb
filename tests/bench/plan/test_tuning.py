"""The runs that a learning rate is chosen by."""

import pytest

from bench.errors import SuiteError
from tests.bench.plan.test_plan import TWO_ANCESTORS
from tests.bench.plans import Planner

SERVED = TWO_ANCESTORS.replace(
    "depth: [1, 3]}", "depth: 1, ancestor: small}\n  - {embed_dim: 16, num_heads: 2, depth: 3, ancestor: large}"
)


@pytest.fixture
def planned(tmp_path):
    return Planner(tmp_path)


def test_a_tuning_start_is_trained_as_the_ancestor_of_its_target_is(planned):
    """Two ancestors of different `train`: each target's tuning start follows its own, as the reported starts do."""
    plan = planned("tune={lr: [1.0e-4, 1.0e-3], seed: 9}", "ancestor.large.train.batch_size=32", text=SERVED)
    starts = [job for job in plan.jobs.values() if job.kind == "start"]
    recipes = {(job.settings["target"]["depth"], job.settings["seed"]): job.settings["recipe"] for job in starts}
    assert recipes.keys() == {(depth, seed) for depth in (1, 3) for seed in (0, 1, 9)}
    for depth in (1, 3):
        assert recipes[depth, 9] == recipes[depth, 0], "the start of a reported run"
    assert recipes[1, 9] == {"epochs": 1} and recipes[3, 9] == {"epochs": 1, "batch_size": 32}


def test_each_rate_is_tried_on_each_target_once_for_all_seeds(planned):
    plan = planned("tune={lr: [1.0e-4, 1.0e-3], seed: 9}")
    for cell in plan.cells:
        if cell.skipped:
            continue
        run = plan.jobs[cell.run]
        tried = run.settings["tune"]["lr"]
        assert list(tried) == ["0.0001", "0.001"] and {trial for runs in tried.values() for trial in runs} <= set(
            run.needs
        )
        served = {c.target for c in plan.cells if c.method is cell.method and not c.skipped}
        for rate, runs in tried.items():
            trials = [plan.jobs[id].settings for id in runs]
            assert len(trials) == len(served) and {trial["seed"] for trial in trials} == {9}
            assert {(trial["recipe"].get("lr", 1e-3), trial["part"]) for trial in trials} == {(float(rate), "val")}
            assert cell.spec.depth in {trial["target"].get("depth") for trial in trials}
        assert "lr" not in run.settings["recipe"]


SEEDS = "tune={lr: [1.0e-4, 1.0e-3], seeds: [7, 8, 9]}"


def trials(plan, cell):
    tried = plan.jobs[cell.run].settings["tune"]["lr"]
    return {rate: [plan.jobs[id].settings for id in runs] for rate, runs in tried.items()}


def test_one_of_several_tuning_seeds_is_as_if_it_were_alone(planned):
    one, same = (planned(f"tune={{lr: [1.0e-4, 1.0e-3], {seed}}}") for seed in ("seed: 7", "seeds: [7]"))
    assert set(one.jobs) == set(same.jobs)
    reported = {cell.run for cell in one.cells if not cell.skipped}
    assert set(one.jobs) - set(planned(SEEDS).jobs) == reported, "its runs are among those of several"


@pytest.mark.parametrize("replicate", ["run", "all"])
def test_tuning_seeds_start_from_what_was_made_for_reported_ones_in_turn(planned, replicate):
    """Two reported seeds, three of tuning: the third starts from what was made for the first again."""
    plan = planned(SEEDS, f"replicate={replicate}")
    for cell in plan.cells:
        if cell.skipped or cell.method.label == "wave":  # whose tuning runs begin from starts of their own
            continue
        alike = [c for c in plan.cells if (c.method, c.target) == (cell.method, cell.target)]
        learngenes = {c.seed: c.learngene for c in alike}
        for settings in trials(plan, cell).values():
            used = {(t["seed"], t["learngene"]) for t in settings if t["target"] == settings[0]["target"]}
            assert used == {(7, learngenes[0]), (8, learngenes[1]), (9, learngenes[0])}


def test_rates_that_widen_the_grid_wait_for_those_within(planned):
    plan = planned("tune={lr: [3.0e-3, 1.0e-3], seed: 9, widen: 2}", only=["random-*"])
    rates = plan.jobs[plan.cells[0].run].settings["tune"]["lr"]
    assert list(rates) == ["0.003", "0.001", "0.000333", "0.009", "0.000111", "0.027"]
    within = {"0.003": 0, "0.001": 0, "0.000333": 2, "0.009": 2, "0.000111": 4, "0.027": 4}
    for rate, runs in rates.items():
        before = {other: rates[other] for other in list(rates)[: within[rate]]}
        for id in runs:
            job = plan.jobs[id]
            assert job.settings.get("widens", {}).get("lr", {}) == before
            assert set(job.needs) >= {run for others in before.values() for run in others}
            assert plan.description(id).may_not_train == bool(before) and plan.description(id).job() == job


@pytest.mark.parametrize("depth", [1, 3])
def test_rates_may_be_tried_on_one_target_for_all(planned, depth):
    """A label that does not serve it is tried on those that it serves: weight_selection cannot grow."""
    plan = planned(f"tune={{lr: [1.0e-4, 1.0e-3], seed: 9, targets: [L{depth}-d16]}}")
    for cell in plan.cells:
        if not cell.skipped:
            tried = 1 if cell.method.label == "weight_selection" else depth
            assert {trial["target"].get("depth") for runs in trials(plan, cell).values() for trial in runs} == {tried}
            assert cell.trials and {plan.jobs[id].settings["target"].get("depth") for id in cell.trials} == {tried}


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ("lr: [1.0e-4, 1.0e-3], seed: 7, seeds: [8]", "expected either seed or seeds, found both"),
        ("lr: [1.0e-4, 1.0e-3], seeds: [8, 8]", "seeds lists one of them twice"),
        ("lr: [1.0e-4, 1.0e-3], seeds: [8, 1]", "expected a seed of no reported run, found 1"),
        ("lr: [1.0e-4, 1.0e-3], targets: [L1-d61]", "no target is named 'L1-d61'; did you mean 'L1-d16'"),
        ("lr: [1.0e-3, 1.01e-3], widen: 1", "are too close to widen the grid"),
    ],
)
def test_what_cannot_be_is_said(planned, tune, message):
    with pytest.raises(SuiteError, match=message):
        planned(f"tune={{{tune}}}")
