"""A method that trains to initialise and nothing before."""

import pytest

from bench.jobs.start import StartJob
from bench.plan import make_plan
from bench.suite import load
from tests.bench.tiny import write

SUITE = """
name: grown
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 64}
targets: [{embed_dim: 32, num_heads: 4, depth: 2}]
methods: {ligo: {steps: 5, train: {lr: 1.0e-2}}}
train: {epochs: 1}
seeds: 1
"""


def jobs(folder, text):
    return {job.kind: job for job in make_plan(load(write(folder, text))).jobs.values()}


def test_its_start_follows_its_recipe_and_its_learngene_does_not(tmp_path):
    first, second = jobs(tmp_path, SUITE), jobs(tmp_path, SUITE.replace("1.0e-2", "2.0e-2"))
    assert first["start"].settings["recipe"] == {"epochs": 1, "batch_size": 64, "lr": 0.01}
    assert first["learngene"].settings["recipe"] == {}
    assert first["learngene"].id == second["learngene"].id and first["start"].id != second["start"].id


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        ("ligo: {steps: 5, train: {lr: 1.0e-2}}", 5),
        ("ligo: {steps: 500, train: {steps: 3}}", 500),
        ("wave: {template_size: 8, train: {steps: 3}}", 100),
        ("wave: {template_size: 8, scaler_steps: 7}", 7),
        ("merge: {then: {use: ligo, steps: 5}}", 5),
    ],
)
def test_the_estimate_counts_the_steps_that_a_start_takes(method, steps, tmp_path):
    """Whatever `train` says of learngenes, and the job written to a file says it too."""
    plan = make_plan(load(write(tmp_path, SUITE.replace("ligo: {steps: 5, train: {lr: 1.0e-2}}", method))))
    (start,) = (job for job in plan.jobs.values() if job.kind == "start")
    assert plan.description(start.id).images == StartJob.read(start).images == 64 * steps
