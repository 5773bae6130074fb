"""The controls keep values or moments of each tensor, and nothing of its structure."""

import pytest
import torch

import methods
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab


def initialized(how, lab=None):
    torch.manual_seed(0)
    ancestor = build_vit(SPEC)
    for p in ancestor.parameters():
        p.data.add_(0.1 * torch.randn_like(p) + 0.05)
    target, plain = build_vit(SPEC), build_vit(SPEC)
    head = target.head.weight.clone()
    method = methods.get("scrambled", how=how)
    method.initialize(target, method.condense(ancestor, lab), lab)
    selection = methods.get("weight_selection")
    selection.initialize(plain, selection.condense(ancestor, lab), lab)
    assert torch.equal(target.head.weight, head)
    return {n: (t, plain.state_dict()[n]) for n, t in target.state_dict().items() if not n.startswith("head")}


@pytest.mark.parametrize("lab", [None, TinyLab()])
def test_permuted_keeps_the_values(lab):
    for name, (scrambled, plain) in initialized("permuted", lab).items():
        assert torch.equal(scrambled.flatten().sort().values, plain.flatten().sort().values), name
        assert not torch.equal(scrambled, plain), name


def test_moments_keeps_mean_and_deviation():
    for name, (scrambled, plain) in initialized("moments").items():
        n = plain.numel()
        assert abs(scrambled.mean() - plain.mean()) < 5 * plain.std() / n**0.5, name
        assert abs(scrambled.std() / plain.std() - 1) < 5 / n**0.5, name
        assert not torch.equal(scrambled.flatten().sort().values, plain.flatten().sort().values), name


def test_one_learngene_for_both_controls():
    """How it is scrambled is decided at the start: the learngene is that of weight selection."""
    assert "how" in methods.method_class("scrambled").at_start
