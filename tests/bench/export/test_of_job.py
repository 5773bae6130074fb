"""`bench export`: what a job left, loaded by timm, and held against its row before anything is there."""

import json
import shutil

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bench.files import read_json, sha256, write_json
from methods import Learngene
from tests.bench.tiny import bench, rows, write

SUITE = """
name: out
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 256}
targets: [{depth: 1}]
methods:
  weight_selection: {rule: random, head: transfer}
  wave: {templates: 2, template_size: 8, scaler_steps: 2}
train: {epochs: 1, batch_size: 256}
keep_weights: both
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    assert bench("run", write(folder, SUITE), "--launcher", "inline", "--results", folder / "r") == 0
    return folder / "r"


@pytest.fixture
def results(shared, tmp_path):
    """A copy: some tests do harm to it."""
    shutil.copytree(shared, tmp_path / "r")
    return tmp_path / "r"


def row_of(results, method):
    (row,) = (row for row in rows(results, "out") if row["method"] == method)
    return row


@pytest.mark.parametrize("method", ["weight_selection", "wave"])
def test_the_end_of_a_run(method, shared, tmp_path, capsys):
    row, out = row_of(shared, method), tmp_path / "end"
    assert bench("export", row["run"], "--out", out, "--results", shared) == 0
    shown = capsys.readouterr().out
    assert f"top-1 {float(row['top1']):.2f}% (test), as its row says, and the same loss to the last bit" in shown
    state = timm.create_model(f"local-dir:{out}", pretrained=True).state_dict()
    kept = load_file(shared / "jobs" / "run" / row["run"] / "weights.safetensors")
    assert state.keys() == kept.keys() and all(state[name].equal(kept[name]) for name in kept)
    config = json.loads((out / "config.json").read_text())["pretrained_cfg"]
    assert (config["mean"], config["std"], config["crop_pct"]) == ([0.3053], [0.376], 1.0)
    assert config["input_size"] == [1, 8, 8] and config["num_classes"] == 10
    card = (out / "README.md").read_text()
    for text in (method, row["learngene"], row["ancestor"], row["git_sha"], "of 360 images of digits", "FLOPs"):
        assert text in card
    assert str(tmp_path) not in card, "it is for others"
    assert read_json(out / "export.json")["jobs"]["run"] == row["run"]


@pytest.mark.parametrize("method", ["weight_selection", "wave"])
def test_a_start_that_was_not_kept_is_computed_again_bit_for_bit(method, results, tmp_path, capsys):
    row = row_of(results, method)
    folder = results / "jobs" / "run" / row["run"]
    path = folder / "start.safetensors"
    if method == "wave":  # the job of the start has it
        assert not path.exists()
        (path,) = (results / "jobs" / "start").glob("*/start.safetensors")
    kept = load_file(path)
    if method != "wave":
        result = read_json(folder / "result.json")
        del result["artifacts"]["start.safetensors"]
        write_json(folder / "result.json", result)
        path.unlink()
    assert bench("export", row["run"], "--what", "start", "--out", tmp_path / "start", "--results", results) == 0
    shown = capsys.readouterr().out
    assert f"top-1 {float(row['top1_init']):.2f}% (test), as its row says, and the same loss" in shown
    assert ("computing the start again" in shown) is (method != "wave")
    state = timm.create_model(f"local-dir:{tmp_path / 'start'}", pretrained=True).state_dict()
    assert all(state[name].equal(kept[name]) for name in kept)


def test_an_ancestor_and_a_learngene_by_any_name(shared, tmp_path, capsys):
    row = row_of(shared, "weight_selection")
    out = ("--results", shared, "--out")
    assert bench("export", "weight_selection-L1", "--what", "ancestor", *out, tmp_path / "a") == 0
    assert bench("export", row["ancestor"], *out, tmp_path / "b") == 0
    assert sha256(tmp_path / "a" / "model.safetensors") == sha256(tmp_path / "b" / "model.safetensors")
    assert f"top-1 {float(row['ancestor_top1']):.2f}% (test), as its row says" in capsys.readouterr().out
    named = ("--suite", "out", "--method", "weight_selection", "--target", "L1-d16", "--seed", "0")
    assert bench("export", *named, "--what", "learngene", *out, tmp_path / "c") == 0
    assert bench("export", "weight_selection-digits-s0", *out, tmp_path / "d") == 0
    stored = shared / "jobs" / "learngene" / row["learngene"] / "learngene.safetensors"
    for name in "cd":
        assert sha256(tmp_path / name / "learngene.safetensors") == sha256(stored)
    gene = Learngene.load(tmp_path / "c" / "learngene.safetensors")
    assert gene.stored_params == int(row["stored_params"])
    assert "bench init START --method weight_selection --learngene" in capsys.readouterr().out


def test_what_is_not_at_its_row_is_not_written(results, tmp_path, capsys):
    """Weights that were altered, with a checksum that says they are right."""
    row = row_of(results, "weight_selection")
    folder = results / "jobs" / "run" / row["run"]
    path = folder / "weights.safetensors"
    with safe_open(path, "pt") as file:
        described = file.metadata()
    altered = {name: torch.randn_like(tensor) for name, tensor in load_file(path).items()}
    save_file(altered, path, metadata=described)
    export = ("export", row["run"], "--out", tmp_path / "end", "--results", results)
    assert bench(*export) == 1
    assert "weights.safetensors: its content does not match its checksum" in capsys.readouterr().err
    result = read_json(folder / "result.json")
    result["artifacts"][path.name] |= {"sha256": sha256(path)}
    write_json(folder / "result.json", result)
    assert bench(*export) == 1
    assert "loaded back, it is at " in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["r"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("nothing", 2, "no job in r is 'nothing'; expected an identity, a readable id such as"),
        ("w", 2, "'w' is not one job but "),
        ("--seed 7", 2, "no job in r is --seed 7"),
        ("--suite out", 2, "--suite out is not one job but 2"),
        ("", 2, "expected RUN, the id of a job, or which row of the tables"),
        ("weight_selection-digits --what end", 2, "learngene weight_selection-digits-s0"),
        ("weight_selection-L1 --out r/jobs/run/x", 2, "is among the jobs of r"),
        ("weight_selection-L1 --out r", 2, "r is there already; expected a new folder, or --force"),
        ("weight_selection-L1 --results nowhere", 2, "there is no results folder nowhere; see --results"),
    ],
)
def test_what_cannot_be_is_told(arguments, code, message, shared, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shared.parent)
    words = arguments.split()
    words += [] if "--results" in words else ["--results", "r"]
    words += [] if "--out" in words else ["--out", str(tmp_path / "x")]
    assert bench("export", *words) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_weights_that_were_not_kept(results, tmp_path, capsys):
    folder = results / "jobs" / "run" / row_of(results, "wave")["run"]
    result = read_json(folder / "result.json")
    write_json(folder / "result.json", result | {"artifacts": {}})
    assert bench("export", folder.name, "--out", tmp_path / "x", "--results", results) == 2
    message = capsys.readouterr().err
    assert "kept no weights; expected keep_weights: end in the suite, remove" in message and "--what start" in message


def test_settings_that_are_not_what_the_identity_says(results, tmp_path, capsys):
    folder = results / "jobs" / "run" / row_of(results, "wave")["run"]
    settings = json.loads((folder / "settings.json").read_text())
    settings["settings"]["target"]["depth"] = 7
    (folder / "settings.json").write_text(json.dumps(settings))
    assert bench("export", folder.name, "--out", tmp_path / "x", "--results", results) == 1
    assert "is not what the identity" in capsys.readouterr().err


OUTSIDE = """
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class Halved(Initializer):
    ancestors = 0
    trains = False
    def condense(self, ancestor, lab):
        return Learngene({}, {})
    def initialize(self, target, learngene, lab):
        for parameter in target.parameters():
            parameter.data.mul_(0.5)
"""


def test_code_from_outside_runs_only_where_it_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "halved_elsewhere.py").write_text(OUTSIDE)
    text = "name: o\ndataset: digits\ntargets: [{embed_dim: 16, num_heads: 2, patch_size: 8, depth: 1}]\n"
    suite = write(tmp_path, f"{text}methods: {{h: {{use: 'halved_elsewhere:Halved'}}}}\ntrain: {{epochs: 0}}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0
    export = ("export", "Halved-", "--what", "start", "--results", tmp_path / "r", "--out", tmp_path / "start")
    assert bench(*export) == 2
    assert "expected --use halved_elsewhere:Halved, which imports that module" in capsys.readouterr().err
    assert bench(*export, "--use", "halved_elsewhere:Halved") == 0
    (tmp_path / "halved_elsewhere.py").write_text(OUTSIDE.replace("0.5", "0.25"))
    shutil.rmtree(tmp_path / "start")
    assert bench(*export, "--use", "halved_elsewhere:Halved") == 1
    assert "its code is not that which the run was made with" in capsys.readouterr().err
