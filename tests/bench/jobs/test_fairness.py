"""Equal total budgets and tuned learning rates, from the command line to the files."""

import json

import pytest

from tests.bench.tiny import bench, rows, write

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 64}
targets: [{embed_dim: 16, num_heads: 2, depth: [2, 3]}]
methods:
  random: {}
  sws: {stages: 2}
  wave: {templates: 2, template_size: 8, scaler_steps: 5}
train: {epochs: 3, batch_size: 64}
seeds: 1
"""


def done(folder, changes):
    assert bench("run", write(folder, SUITE + changes), "--results", folder / "results", "--launcher", "inline") == 0
    return {(row["method"], row["target"]): row for row in rows(folder / "results")}


def result(folder, run):
    return json.loads((folder / "results" / "jobs" / "run" / run / "result.json").read_text())


def test_own_stages_are_paid_out_of_the_training_steps(tmp_path):
    found = done(tmp_path, "budget: total\n")
    for (method, target), row in found.items():
        allowed = float(found["random", target]["train_flops"])
        trained = float(row["train_flops"])
        own = float(row["learngene_flops"]) / 2 + float(row["init_flops"])  # one learngene for two sizes
        said = result(tmp_path, row["run"])["budget"]
        step = allowed / said["of_steps"]
        assert trained == said["steps"] * step
        assert allowed - step < own + trained <= allowed, (method, target)  # not one step more, nor less
        assert (said["steps"] == said["of_steps"]) == (method == "random")
    assert bench("report", tmp_path / "tiny.yaml", "--results", tmp_path / "results") == 0
    assert "equal total budget" in (tmp_path / "results" / "tiny" / "table_top1.md").read_text()


def test_the_rate_is_tuned_on_validation_and_never_on_test(tmp_path):
    found = done(tmp_path, "tune: {lr: [1.0e-5, 3.0e-3]}\n")
    for row in found.values():
        trials = [result(tmp_path, id) for id in row["tuning"].split() if is_run(tmp_path, id)]
        assert len(trials) == 2
        for trial in trials:
            assert all(point["top1"] == point["val_top1"] for point in trial["evals"])  # validation is all it saw
        tuned = result(tmp_path, row["run"])["tuned"]
        assert sorted(map(float, tuned["val_top1"])) == [1e-5, 3e-3]  # the same candidates for every method
        assert tuned["lr"] == float(max(tuned["val_top1"], key=tuned["val_top1"].get)) == float(row["lr"])
    assert {row["lr"] for row in found.values()} == {"0.003"}


def is_run(folder, run):
    return (folder / "results" / "jobs" / "run" / run / "result.json").is_file()


def test_a_tuning_seed_that_is_reported_is_an_error(tmp_path, capsys):
    assert bench("plan", write(tmp_path, SUITE + "tune: {lr: [1.0e-3, 1.0e-2], seed: 0}\n"), "--results", tmp_path) == 2
    assert "expected a seed of no reported run, found 0" in capsys.readouterr().err


@pytest.mark.parametrize("changes", ["budget: half\n", "tune: {lr: []}\n", "tune: {lr: [1.0e-3]}\n"])
def test_other_switches_are_refused(tmp_path, changes):
    assert bench("plan", write(tmp_path, SUITE + changes), "--results", tmp_path) == 2
