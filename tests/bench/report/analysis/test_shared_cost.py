"""A teacher beside several ancestors is paid for once, and what differs in a label's runs is on the page."""

import json

import pandas as pd
import pytest

from tests.bench.tiny import bench, rows, write

pytestmark = pytest.mark.usefixtures("few_pictures")

SUITE = """
name: tiny
dataset: digits
ancestor:
  a: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 216}}
  b: {model: {embed_dim: 32, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 216}}
  t: {model: {embed_dim: 16, depth: 3, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 216}}
teacher: t
targets:
  - {ancestor: a, embed_dim: 16, num_heads: 2, depth: 1}
  - {ancestor: b, embed_dim: 32, num_heads: 2, depth: 1}
methods:
  random: {}
  taught: {use: random, runs: {distill: {kl: 1.0}}}
  weight_selection: {runs: {distill: {kl: 1.0}}}
train: {epochs: 1, batch_size: 216}
seeds: 2
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    assert bench("run", write(folder, SUITE), "--results", folder / "results", "--launcher", "inline") == 0
    assert bench("report", folder / "tiny.yaml", "--results", folder / "results", "--only", "*") == 0
    return folder / "results"


def test_the_teacher_of_both_sizes_counts_once(results):
    cost = {}
    for row in rows(results):
        for id in row["ancestor"].split():
            cost[id] = json.loads((results / "jobs" / "ancestor" / id / "result.json").read_text())["cost"]
    assert len(cost) == 3
    table = pd.read_csv(results / "tiny" / "cost.csv").set_index("method")
    assert table.loc["weight_selection", "flops_ancestor"] == sum(c["flops"] for c in cost.values())
    assert table.loc["weight_selection", "images_ancestor"] == sum(c["images"] for c in cost.values())
    seconds = sum(c["seconds"] for c in cost.values())
    assert table.loc["weight_selection", "device_hours_ancestor"] == pytest.approx(seconds / 3600)
    assert table.loc["taught", "ancestors"] == 1
    assert table.loc["random", "flops_ancestor"] == 0


def test_with_a_teacher_is_not_from_scratch_though_the_method_itself_needs_nothing(results):
    assert {row["needs"] for row in rows(results) if row["method"] == "taught"} == {"nothing"}
    table = pd.read_csv(results / "tiny" / "break_even.csv")
    assert set(table["method"]) == {"taught", "weight_selection"}


def test_storage_says_who_needs_a_teacher(results):
    lines = (results / "tiny" / "table_storage.md").read_text().splitlines()
    ends = {line.split(" |")[0].strip("| "): line.rstrip(" |").split("| ")[-1] for line in lines if line[:2] == "| "}
    assert (ends["random"], ends["taught"]) == ("stores nothing", "stores nothing, needs its teacher")
    assert ends[r"weight\_selection"].endswith("x, needs its teacher")


def test_a_recipe_of_its_own_is_shown(results):
    assert "runs with their own distill" in (results / "tiny" / "table_top1.md").read_text()
    page = (results / "tiny" / "report.html").read_text()
    assert "&#34;distill&#34;" in page
    assert "tiny.yaml --only &#39;*&#39;" in page  # the command as it was given
