"""Controls of equal compute are proposed where a suite lacks them, and a suite that takes them lacks none."""

from pathlib import Path

import pytest

from bench.plan import make_plan
from bench.plan.controls import proposals
from bench.suite import load
from tests.bench.tiny import bench, write

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 3, num_heads: 2, patch_size: 4}
  train: {epochs: 6, batch_size: 32, lr: 3.0e-3, augment: {shift: 1}}
targets: [{embed_dim: 16, num_heads: 2, depth: 3}]
methods:
  random: {}
  METHOD
train: {epochs: 2, batch_size: 64}
seeds: 2
"""


def plan_of(folder, text):
    return make_plan(load(write(folder, text)))


def test_the_length_is_that_of_the_ancestor_and_the_run(tmp_path):
    """Ancestor and target have one size: 6 epochs and 2 are 8; a copy of weights trains nothing."""
    assert proposals(plan_of(tmp_path, SUITE.replace("METHOD", "weight_selection: {}"))) == [
        'random_for_weight_selection: {use: random, runs: {"epochs": 8}, '
        'control: "as much training as weight_selection takes in all"}',
        "random_for_weight_selection_as_ancestor: {use: random, "
        'runs: {"batch_size": 32, "lr": 0.003, "augment": {"shift": 1}, "epochs": 8}, '
        'control: "as much training as weight_selection takes in all, as the ancestor\'s"}',
    ]


@pytest.mark.parametrize(
    "others",
    [
        "wave: {templates: 2, template_size: 8}",
        "sws: {stages: 2, train: {epochs: 9}}\n  weight_selection: {}\n  late: {use: ligo, runs: {epochs: 4}}",
        "steps: {use: weight_selection, runs: {steps: 7, distill: {kl: 1.0}}}",
    ],
)
def test_a_suite_that_takes_what_is_proposed_lacks_nothing(others, tmp_path, capsys):
    text = SUITE.replace("METHOD", others)
    lines = proposals(plan_of(tmp_path, text))
    assert 2 <= len(lines) <= 4
    assert proposals(plan_of(tmp_path, SUITE.replace("METHOD", "\n  ".join([others, *lines])))) == []
    assert bench("plan", write(tmp_path, text), "--results", tmp_path / "r") == 0
    assert all(f"  {line}\n" in capsys.readouterr().out for line in lines[:1])


def test_what_needs_no_control(tmp_path):
    assert proposals(plan_of(tmp_path, SUITE.replace("METHOD", "mimetic: {}"))) == []
    assert proposals(plan_of(tmp_path, SUITE.replace("METHOD", "sws: {stages: 2}") + "budget: total\n")) == []
    nothing = SUITE.replace("METHOD", "weight_selection: {}").replace("epochs: 2", "epochs: 0")
    assert proposals(plan_of(tmp_path, nothing)) == []


def test_a_suite_that_has_them():
    suite = Path(__file__).parents[3] / "suites" / "digits_reference_depth.yaml"
    assert proposals(make_plan(load(suite))) == []
