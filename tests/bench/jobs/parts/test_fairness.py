"""Equal total budgets and tuned learning rates, from the command line to the files."""

import json

import pytest

from tests.bench.tiny import bench, rows, write

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 216}
targets: [{embed_dim: 16, num_heads: 2, depth: [2, 3]}]
methods:
  random: {}
  sws: {stages: 2}
  wave: {templates: 2, template_size: 8, scaler_steps: 5}
train: {epochs: 3, batch_size: 216}
seeds: 1
"""


def done(folder, changes, methods=None):
    settings = () if methods is None else ("--set", f"methods={methods}")
    where = ("--results", folder / "results", "--launcher", "inline")
    assert bench("run", write(folder, SUITE + changes), *where, *settings) == 0
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


def test_the_rate_has_the_best_mean_over_the_tuning_seeds(tmp_path):
    for row in done(tmp_path, "tune: {lr: [1.0e-3, 3.0e-3], seeds: [5, 6, 7]}\n", methods="{random: {}}").values():
        trials = [result(tmp_path, id) for id in row["tuning"].split() if is_run(tmp_path, id)]
        assert len(trials) == 2 * 3
        tuned = result(tmp_path, row["run"])["tuned"]
        settings = json.loads((tmp_path / "results" / "jobs" / "run" / row["run"] / "settings.json").read_text())
        for rate, runs in settings["settings"]["tune"]["lr"].items():
            assert len(runs) == 2 * 3  # both targets
            mean = sum(result(tmp_path, id)["val_top1"] for id in runs) / 6
            assert tuned["val_top1"][rate] == pytest.approx(mean, abs=1e-12)


def test_a_choice_at_the_edge_widens_the_grid_and_no_other_does(tmp_path, capsys):
    """Rates so small that nothing is learned: the grid grows upwards, as far as it may, and not downwards."""
    found = done(tmp_path, "tune: {lr: [1.0e-5, 1.0e-4], widen: 2}\n", methods="{random: {}}")
    said = " ".join(capsys.readouterr().out.split())
    for row in found.values():
        tuned = result(tmp_path, row["run"])["tuned"]
        assert set(tuned["val_top1"]) == {"1e-05", "0.0001", "0.001", "0.01"}
        trials = [result(tmp_path, id) for id in row["tuning"].split() if is_run(tmp_path, id)]
        assert sorted(trial["epochs"] for trial in trials) == [0.0] * 2 + [3.0] * 4, "those below are not trained"
        assert tuned["lr"] == 0.01 == float(row["lr"]) and json.loads(row["tune"]) == tuned
    assert (
        "learning rates at the edge of their grid, beyond which better ones may lie: random (0.01, the highest" in said
    )
    assert bench("report", tmp_path / "tiny.yaml", "--results", tmp_path / "results") == 0
    assert "0.01: random (edge of the grid)" in (tmp_path / "results" / "tiny" / "report.html").read_text()


def is_run(folder, run):
    return (folder / "results" / "jobs" / "run" / run / "result.json").is_file()


def test_a_tuning_seed_that_is_reported_is_an_error(tmp_path, capsys):
    assert bench("plan", write(tmp_path, SUITE + "tune: {lr: [1.0e-3, 1.0e-2], seed: 0}\n"), "--results", tmp_path) == 2
    assert "expected a seed of no reported run, found 0" in capsys.readouterr().err


@pytest.mark.parametrize("changes", ["budget: half\n", "tune: {lr: []}\n", "tune: {lr: [1.0e-3]}\n"])
def test_other_switches_are_refused(tmp_path, changes):
    assert bench("plan", write(tmp_path, SUITE + changes), "--results", tmp_path) == 2
