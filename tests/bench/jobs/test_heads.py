"""What became of heads: what is done is what the row says, and a plan warns where a wish cannot be met."""

import pytest
import torch
from safetensors.torch import load_file

from bench.jobs.parts.initialised import head_used
from methods import Learngene
from tests.bench.jobs.parts.test_pretrained import BARE, BARE_OPTIONS
from tests.bench.jobs.weights_from_elsewhere import SELECT, run, saved, suite
from tests.bench.tiny import bench, rows

METHODS = """{transfer: {use: weight_selection, head: transfer}, stages: {use: sws, stages: 2, train: {steps: 1}},
    fresh: {use: weight_selection}, drawn: {use: random, scheme: jax}, no: {use: random},
    grown: {use: mixture_growth, templates: 4, train: {steps: 1}},
    wave: {templates: 2, template_size: 8, scaler_steps: 1, train: {steps: 1}}}"""
WARNING = "its classes are not known to be those of colours, so head: transfer leaves a fresh head"


@pytest.mark.parametrize("known", [True, False])
def test_the_row_says_what_was_done(known, tmp_path, images, capsys):
    _, file = saved(tmp_path, "test_vit", **BARE_OPTIONS)
    ancestor = BARE.replace("FILE", str(file))
    code, results = run(tmp_path, images, ancestor[:-1] + ", classes: same}" if known else ancestor, methods=METHODS)
    assert code == 0
    table = {row["method"]: row for row in rows(results, "elsewhere")}
    used = {label: row["head_used"] for label, row in table.items()}
    inherited = "transfer" if known else "fresh"
    assert used == {
        "transfer": inherited, "stages": inherited, "wave": inherited,
        "fresh": "fresh", "drawn": "fresh", "no": "fresh", "grown": "transfer",
    }  # fmt: skip
    assert table["transfer"]["head"] == "transfer" and table["transfer"]["stored_params_head"] == "75"
    said = " ".join(capsys.readouterr().out.split())
    assert ("3 runs have a fresh head although head: transfer was wished for" in said) is not known
    assert said.count("- transfer: fresh head") == (not known)


OUTSIDE = """
from dataclasses import dataclass
from methods.weight_selection import WeightSelection

@dataclass
class Careless(WeightSelection):
    def head_transfers(self, learngene, lab):
        return False
    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        target.head.weight.data.copy_(learngene.tensors["head.weight"])
"""


def test_a_head_that_was_copied_is_no_fresh_one(tmp_path, images, monkeypatch):
    """Whatever the method says of it."""
    (tmp_path / "careless.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    model, file = saved(tmp_path, "test_vit", **BARE_OPTIONS)
    keep = ("--set", "keep_weights=true")
    code, results = run(
        tmp_path,
        images,
        BARE.replace("FILE", str(file)),
        *keep,
        methods="{mine: {use: 'careless:Careless', head: transfer}}",
    )
    assert code == 0
    (target,) = results.glob("jobs/run/*/weights.safetensors")
    assert load_file(str(target))["head.weight"].equal(model.head.weight)
    (row,) = rows(results, "elsewhere")
    assert row["head_used"] == "transfer"


TRAINED = "{model: {embed_dim: 24, depth: 2, num_heads: 2, patch_size: 8}, train: {epochs: 0}}"
OF_TIMM = "{model: {timm: test_vit, checkpoint: FILE}, convert: {positions: interpolate}}"


@pytest.mark.parametrize(
    ("ancestor", "method", "warns"),
    [
        (BARE, SELECT, True),
        (OF_TIMM, SELECT, True),
        (BARE, "{weight_selection: {}}", False),
        (BARE, "{random: {}}", False),
        (BARE[:-1] + ", classes: same}", SELECT, False),
        (BARE[:-1] + ", train: {epochs: 1}}", SELECT, False),
        (TRAINED, SELECT, False),
        ("{model: {timm: test_vit.r160_in1k}, convert: {positions: interpolate}}", SELECT, False),
    ],
)
def test_the_plan_warns_where_the_suite_could_say_more(ancestor, method, warns, tmp_path, images, capsys):
    _, file = saved(tmp_path, "test_vit", **({"num_classes": 3} if ancestor == OF_TIMM else BARE_OPTIONS))
    path = suite(tmp_path / "s", images, ancestor.replace("FILE", str(file)), method)
    assert bench("plan", path, "--results", tmp_path / "r") == 0
    said = capsys.readouterr().err
    assert (WARNING in said) is warns
    if warns:
        assert said.startswith(f"warning: {path}:4: ancestor: ") and "expected classes: same, if they are" in said


def test_weights_of_this_project_say_their_classes(tmp_path, images, capsys):
    code, results = run(tmp_path / "first", images, TRAINED)
    assert code == 0
    (file,) = results.glob("jobs/ancestor/*/weights.safetensors")
    path = suite(tmp_path / "second", images, f"{{model: {{checkpoint: {file}}}}}")
    assert bench("plan", path, "--results", tmp_path / "r") == 0 and WARNING not in capsys.readouterr().err


def test_a_head_that_was_trained_without_a_stored_one_is_fresh():
    drawn, other, stored = (
        {"head.weight": torch.full((2, 3), x), "head.bias": torch.zeros(2)} for x in (0.0, 1.0, 2.0)
    )
    gene = Learngene(stored)
    assert head_used(drawn, other, gene, may=False) == head_used(drawn, drawn, gene, may=True) == "fresh"
    assert head_used(drawn, other, Learngene({}), may=True) == "fresh"
    assert head_used(drawn, other, gene, may=True) == head_used(drawn, stored, gene, may=False) == "transfer"
