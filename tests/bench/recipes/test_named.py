"""Named recipes against the settings that the papers and their released code state."""

import pytest

from bench.plan import make_plan
from bench.recipes.named import RECIPES, expand
from bench.recipes.recipe import Recipe
from bench.suite import load
from tests.bench.tiny import bench, write

AUGMENT = {
    "crop": "rrc", "hflip": 0.5, "interpolation": "bicubic", "color_jitter": 0.4,
    "auto_augment": "rand-m9-mstd0.5-inc1", "re_prob": 0.25, "re_mode": "pixel", "re_count": 1,
}  # fmt: skip
MIXING = {"mixup": 0.8, "cutmix": 1.0, "mixup_prob": 1.0, "mixup_switch_prob": 0.5, "label_smoothing": 0.1}
DEIT_LIKE = MIXING | {"optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "clip_grad": None, "ema": None}
GROWTH = {"optimizer": "nesterov", "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128, "schedule": "cosine"}

# settings as stated; `peak_lr` is what the optimiser is given, after scaling by the batch
STATED = {
    "deit": DEIT_LIKE
    | {"epochs": 300, "batch_size": 1024, "peak_lr": 1e-3, "min_lr": 1e-5, "warmup_epochs": 5, "warmup_lr": 1e-6}
    | {"drop_path": 0.1, "repeats": 3},
    "sws": DEIT_LIKE
    | {"epochs": 150, "batch_size": 4 * 128, "peak_lr": 5e-4, "min_lr": 1e-5, "warmup_epochs": 5, "warmup_lr": 1e-6}
    | {"drop_path": 0.1, "repeats": 3},
    "sws_target": DEIT_LIKE
    | {"epochs": 10, "batch_size": 512, "peak_lr": 5e-5, "min_lr": 1e-6, "warmup_epochs": 0, "drop_path": 0.1},
    "sws_target_base": DEIT_LIKE
    | {"epochs": 10, "batch_size": 512, "peak_lr": 1e-5, "min_lr": 1e-6, "warmup_epochs": 0, "drop_path": 0.1},
    "tleg": DEIT_LIKE
    | {"epochs": 150, "batch_size": 512, "peak_lr": 5e-4, "min_lr": 1e-5, "warmup_epochs": 5, "warmup_lr": 1e-6}
    | {"drop_path": 0.0, "repeats": 3},
    "tleg_target": DEIT_LIKE
    | {"epochs": 35, "batch_size": 512, "peak_lr": 5e-4, "min_lr": 1e-5, "warmup_epochs": 0, "drop_path": 0.1},
    "tleg_target_base": DEIT_LIKE
    | {"epochs": 40, "batch_size": 512, "peak_lr": 5e-4, "min_lr": 1e-5, "warmup_epochs": 0, "drop_path": 0.1},
    "weight_selection": DEIT_LIKE
    | {"epochs": 300, "batch_size": 8 * 64, "peak_lr": 2e-3, "min_lr": 1e-6, "warmup_epochs": 50, "drop_path": 0.0}
    | {"eps": 1e-8, "repeats": 1},
    "weight_selection_imagenet": DEIT_LIKE
    | {"epochs": 300, "batch_size": 8 * 128 * 4, "accumulate": 4, "peak_lr": 4e-3, "min_lr": 1e-6, "eps": 1e-8}
    | {"warmup_epochs": 50, "drop_path": 0.0, "repeats": 1},
    "mixture_growth": GROWTH
    | {"epochs": 200, "peak_lr": 0.1, "min_lr": 1e-6, "warmup_epochs": 2, "warmup_lr": 1e-5, "drop_path": 0.0},
    "mixture_growth_grown": GROWTH | {"epochs": 440 - 200 - 200, "peak_lr": 1e-4, "min_lr": 3e-5, "warmup_epochs": 1},
}


def test_every_recipe_has_its_statement():
    assert STATED.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", STATED)
def test_values(name):
    recipe = Recipe.model_validate(RECIPES[name])
    assert {field: getattr(recipe, field) for field in STATED[name]} == STATED[name]
    varied = recipe.augment.model_dump(exclude_defaults=True)
    if name.startswith("mixture_growth"):
        assert varied == {"shift": 4, "hflip": 0.5}
    else:
        assert recipe.augment.model_dump(include=set(AUGMENT)) == AUGMENT


def test_a_named_recipe_is_whole():
    """It replaces what it would be merged with; explicit keys go over it, and how it is computed is left alone."""
    kept = {"distill": {"kl": 0.5}, "precision": "bf16", "compile": True, "accumulate": 2, "eval_every": 5}
    base = Recipe(clip_grad=1.0, weight_decay=0.3, augment={"shift": 2}, **kept)
    merged = base.merged(expand({"recipe": "weight_selection", "epochs": 7, "augment": {"re_prob": 0.5}}))
    want = Recipe.model_validate(RECIPES["weight_selection"])
    augment = want.augment.model_copy(update={"re_prob": 0.5})
    changes = {"epochs": 7, "augment": augment, **{name: getattr(base, name) for name in kept}}
    assert merged == want.model_copy(update=changes)
    assert base.merged(expand({"recipe": "weight_selection_imagenet"})).accumulate == 4


SUITE = """
name: named
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, clip_grad: 1.0}
targets: [{depth: 1}]
methods: {sws: {stages: 2, train: TRAIN}}
train: TRAIN
"""


def jobs(folder, train):
    return make_plan(load(write(folder, SUITE.replace("TRAIN", train)))).jobs


def test_identity_is_of_the_resolved_values(tmp_path):
    named = jobs(tmp_path, "{recipe: mixture_growth, epochs: 3}")
    spelled = Recipe.model_validate(RECIPES["mixture_growth"] | {"epochs": 3})
    assert named.keys() == jobs(tmp_path, spelled.model_dump_json(exclude={"distill"})).keys()
    recipes = [job.settings["recipe"] for job in named.values() if job.kind in ("learngene", "run")]
    assert [r["lr"] for r in recipes] == [0.1, 0.1] and not any("recipe" in r or "clip_grad" in r for r in recipes)
    assert named.keys() != jobs(tmp_path, "{recipe: mixture_growth_grown, epochs: 3}").keys()


@pytest.mark.parametrize("train", ["{recipe: diet}", "{recipe: [deit]}", "{recipe: null}"])
def test_an_unknown_recipe_is_told_with_its_line(train, tmp_path, capsys):
    assert bench("plan", write(tmp_path, SUITE.replace("train: TRAIN", "train: {}", 1).replace("TRAIN", train))) == 2
    said = capsys.readouterr().err
    assert "tiny.yaml:9: train.recipe: unknown recipe" in said and "mixture_growth_grown" in said
    assert "diet" not in train or "did you mean 'deit'?" in said
