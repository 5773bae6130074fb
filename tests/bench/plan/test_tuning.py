"""The runs that a learning rate is chosen by."""

import pytest

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
