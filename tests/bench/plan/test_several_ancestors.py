"""Ancestors that differ in their seed or begin with each other's weights, and what is made elsewhere than its runs."""

import csv

import pytest
import torch
from safetensors.torch import load_file

from bench.errors import SuiteError
from bench.plan import make_plan
from bench.suite import load
from tests.bench.tiny import bench, write

SUITE = """
name: several
dataset: digits
ancestor:
  a: &alike {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: &short {epochs: 1, batch_size: 216}}
  b: {<<: *alike, seed: 1}
  tuned: {<<: *alike, start: a, train: {<<: *short, lr: 1.0e-4}}
targets:
  - {embed_dim: 16, num_heads: 2, depth: [1, 2]}
methods:
  merged: {use: merge, ancestor: [a, b]}
  tuned_selection: {use: weight_selection, ancestor: tuned}
  mixture_growth: {templates: 4, condense_on: {name: half, base: digits, classes: [0, 1, 2, 3, 4]}}
train: {epochs: 1, batch_size: 216}
seeds: 2
replicate: all
"""


def plan(folder, *changes):
    text = SUITE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return make_plan(load(write(folder, text)))


def ancestors_of(made, label):
    return {cell.seed: [made.jobs[id] for id in cell.ancestors] for cell in made.cells if cell.method.label == label}


def test_a_seed_tells_apart_ancestors_that_are_made_alike(tmp_path):
    made = plan(tmp_path)
    jobs = ancestors_of(made, "merged")
    seeds = [[job.settings["seed"] for job in pair] for pair in jobs.values()]
    assert seeds == [[0, 10_000], [1, 10_001]]
    assert all(a.settings | {"seed": 0} == b.settings | {"seed": 0} for a, b in jobs.values())


def test_the_order_of_ancestors_is_the_label_s(tmp_path):
    made = plan(tmp_path, ("ancestor: [a, b]", "ancestor: [b, a]"))
    assert [job.settings["seed"] for job in ancestors_of(made, "merged")[0]] == [10_000, 0]


def test_a_data_set_that_several_learn_on_is_one_of_the_suite_s(tmp_path):
    half = "{name: half, base: digits, classes: [0, 1, 2, 3, 4]}"
    again = f"{half}}}\n  zeros: {{use: mixture_growth, templates: 4, coefficients: zero, condense_on: {half}}}"
    suite = load(write(tmp_path, SUITE.replace(f"{half}}}", again)))
    assert len(suite.methods) == 4 and [entry.name for entry in suite.all_data] == ["digits", "half"]


def test_what_begins_with_another_s_weights_needs_it(tmp_path):
    made = plan(tmp_path)
    (tuned,) = ancestors_of(made, "tuned_selection")[1]
    (first,) = tuned.needs
    assert tuned.settings["start"] == first and made.jobs[first].settings["seed"] == 1
    assert list(made.jobs).index(first) < list(made.jobs).index(tuned.id)
    longer = ("train: &short {epochs: 1", "train: &short {epochs: 2")
    other = plan(tmp_path, longer)
    (changed,) = ancestors_of(other, "tuned_selection")[1]
    assert changed.id != tuned.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ancestor: [a, b]", "ancestor: [a, a]"), "the ancestor 'a' is named twice"),
        (("b: {<<: *alike, seed: 1}", "b: {model: {embed_dim: 32, depth: 2, num_heads: 2, patch_size: 4}}"),
         "merged takes ancestors of one size, found embed_dim 16 of 'a', 32 of 'b'"),
        (("start: a,", "start: nobody,"), "no ancestor is named 'nobody'"),
        (("start: a,", "start: tuned,"), "ancestors begin with each other's weights: tuned -> tuned"),
        (("classes: [0, 1, 2, 3, 4]", "classes: [0, 1, 12]"), "no class 12"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_line(change, message, tmp_path):
    with pytest.raises(SuiteError) as error:
        plan(tmp_path, change)
    assert message in str(error.value) and "tiny.yaml:" in str(error.value)


def test_two_equal_ancestors_are_one_and_cannot_be_merged(tmp_path):
    with pytest.raises(SuiteError, match="'a' and 'b' are one model"):
        plan(tmp_path, ("b: {<<: *alike, seed: 1}", "b: {<<: *alike}"))


def test_a_learngene_made_on_another_data_set(tmp_path):
    made = plan(tmp_path)
    cell = next(cell for cell in made.cells if cell.method.label == "mixture_growth")
    gene, run = made.jobs[cell.learngene], made.jobs[cell.run]
    assert gene.settings["data"]["name"] == "half"
    assert gene.settings["data"]["selection"] == {"classes": [0, 1, 2, 3, 4]}
    assert run.settings["data"]["name"] == "digits"


def test_all_of_it_runs(tmp_path):
    results = tmp_path / "results"
    options = ("--launcher", "inline", "--results", results, "--only", "*-L1-*-s0")
    assert bench("run", write(tmp_path, SUITE), *options) == 0
    with (results / "several" / "runs.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert {row["status"] for row in rows.values()} == {"done"}
    first, tuned = rows["tuned_selection"]["ancestor"].split()
    assert first in rows["merged"]["ancestor"].split()
    flops = [float(rows[label]["ancestor_flops"]) for label in ("tuned_selection", "merged")]
    assert flops[0] == flops[1] > 0, "two trainings each"
    weights = [load_file(results / "jobs" / "ancestor" / id / "weights.safetensors") for id in (first, tuned)]
    fresh = load_file(results / "jobs" / "ancestor" / rows["merged"]["ancestor"].split()[1] / "weights.safetensors")
    name = "blocks.0.mlp.fc1.weight"
    apart = [torch.dist(weights[0][name], other[name]).item() for other in (weights[1], fresh)]
    assert 0 < apart[0] < apart[1] / 4, "a small rate moves what began there little"
