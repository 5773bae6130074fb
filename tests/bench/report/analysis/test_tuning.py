"""The cost of choosing a learning rate, from the command line to cost.csv."""

import json

import pandas as pd
import pytest

from tests.bench.tiny import bench, rows, write

pytestmark = pytest.mark.usefixtures("few_pictures")

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 216}
targets: [{embed_dim: 16, num_heads: 2, depth: [1, 2]}]
methods:
  random: {}
  wave: {templates: 2, template_size: 8, scaler_steps: 5}
train: {epochs: 1, batch_size: 216}
seeds: 2
tune: {lr: [1.0e-3, 1.0e-2]}
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    assert bench("run", write(folder, SUITE), "--results", folder / "results", "--launcher", "inline") == 0
    assert bench("report", folder / "tiny.yaml", "--results", folder / "results") == 0
    return folder / "results"


def test_tuning_runs_are_named_and_their_cost_is_theirs(results):
    for row in rows(results):
        jobs = row["tuning"].split()
        found = [json.loads(file.read_text()) for id in jobs for file in results.glob(f"jobs/*/{id}/result.json")]
        assert len(found) == len(jobs) == (3 if row["method"] == "wave" else 2)  # wave's start, and two rates
        assert float(row["tuning_flops"]) == sum(job["cost"]["flops"] for job in found) > 0
        assert float(row["tuning_seconds"]) == pytest.approx(sum(job["cost"]["seconds"] for job in found))
        assert {job["devices"] for job in found} == {int(row["tuning_devices"])} == {1}
    of = pd.read_csv(results / "tiny" / "runs.csv").groupby(["method", "target"])["tuning"].nunique()
    assert of.tolist() == [1] * 4  # the seeds share them


def test_the_report_shows_them_as_a_part(results):
    runs = pd.read_csv(results / "tiny" / "runs.csv")
    cost = pd.read_csv(results / "tiny" / "cost.csv").set_index("method")
    for method, group in runs.groupby("method"):
        assert cost.loc[method, "tunings"] == 2
        assert cost.loc[method, "flops_tuning"] == group.drop_duplicates("target")["tuning_flops"].sum()
    assert "without tuning" in (results / "tiny" / "table_cost.md").read_text()
    assert "tuned lr" in (results / "tiny" / "table_top1.md").read_text()
    assert "tuning" in (results / "tiny" / "report.html").read_text()
