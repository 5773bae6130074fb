"""Recipes: what a suite may say of training, and that all of it can be done."""

import typing

import pytest
import timm.optim
import torch
from pydantic import ValidationError

from bench.recipes.recipe import Optimizer, Recipe, merge


@pytest.mark.parametrize("name", typing.get_args(Optimizer))
def test_every_optimizer_is_timms_and_steps(name):
    assert name in timm.optim.list_optimizers()
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = timm.optim.create_optimizer_v2(model, opt=name, lr=1e-2, weight_decay=0.01, momentum=0.9)
    before = model.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).pow(2).sum().backward()
        optimizer.step()
    assert torch.isfinite(model.weight).all() and not torch.equal(model.weight, before)


def test_defaults_are_valid_and_leave_nothing_to_dump():
    assert Recipe.model_validate({}).model_dump(exclude_defaults=True) == {}
    assert Recipe.model_validate(Recipe().model_dump()) == Recipe()


def test_merged_recipes():
    base = Recipe.model_validate({"epochs": 5, "augment": {"shift": 1}, "distill": {"kl": 2.0}})
    new = base.merged({"augment": {"hflip": 0.5}, "distill": {"temperature": 3}, "betas": [0.5, 0.9]})
    assert (new.epochs, new.augment.shift, new.augment.hflip) == (5, 1, 0.5)
    assert (new.distill.kl, new.distill.temperature, new.betas) == (2.0, 3.0, (0.5, 0.9))
    assert base.augment.hflip == 0 and base.merged({}) == base
    assert base.merged({"distill": None}).distill is None
    assert merge({"a": {"b": 1}}, {"a": 3}) == {"a": 3}


WRONG = [
    {"epochs": -1}, {"epochs": 1.0}, {"epochs": True}, {"epochs": "5"}, {"steps": -1}, {"batch_size": 0}, {"lr": 0},
    {"lr": float("nan")}, {"lr": float("inf")}, {"lr": "1e-3"}, {"min_lr": -1}, {"schedule": "linear"},
    {"optimizer": "adamww"}, {"weight_decay": -0.1}, {"betas": [0.9]}, {"betas": [0.9, 1.0]}, {"betas": [0.9, -1]},
    {"eps": 0}, {"momentum": 1}, {"clip_grad": 0}, {"label_smoothing": 1}, {"mixup": -1}, {"mixup_prob": 1.5},
    {"drop_path": 1}, {"augment": {"x": 1}}, {"augment": 3}, {"distill": {"kl": -1}}, {"distill": {"temperature": 0}},
    {"precision": "fp8"}, {"compile": 1}, {"eval_every": 0}, {"unknown": 1},
]  # fmt: skip


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_wrong_values(changes):
    with pytest.raises(ValidationError):
        Recipe().merged(changes)
