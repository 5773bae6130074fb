"""The controls keep values or moments of each tensor, and nothing of its structure."""

from dataclasses import replace

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


def grown(how, target):
    """Scrambled tensors of a target beyond the ancestor's size, and the ancestor's."""
    ancestor, model = build_vit(SPEC), build_vit(target)
    draw = torch.Generator().manual_seed(0)
    for p in ancestor.parameters():
        p.data.copy_(torch.randn(p.shape, generator=draw))  # no value twice
    method = methods.get("scrambled", how=how, grow=True)
    method.initialize(model, method.condense(ancestor, None), None)
    return model.state_dict(), ancestor.state_dict()


def test_growing_is_asked_for():
    deeper = replace(SPEC, depth=SPEC.depth + 1)
    assert "cannot grow depth" in methods.get("scrambled").supports(SPEC, deeper)
    assert "cannot grow depth" in methods.get("weight_selection").supports(SPEC, deeper)
    assert methods.get("scrambled", grow=True).supports(SPEC, deeper) is None
    assert "cannot grow patch_size" in methods.get("scrambled", grow=True).supports(
        SPEC, replace(SPEC, patch_size=2 * SPEC.patch_size)
    )


def test_a_deeper_target_has_each_blocks_values_in_turn():
    depth = 2 * SPEC.depth + 1
    target, ancestor = grown("permuted", replace(SPEC, depth=depth))
    for block in range(depth):
        source = block * SPEC.depth // depth
        for key in ("attn.qkv.weight", "mlp.fc2.weight", "norm1.bias"):
            given, taken = ancestor[f"blocks.{source}.{key}"], target[f"blocks.{block}.{key}"]
            assert torch.equal(taken.flatten().sort().values, given.flatten().sort().values)
            assert not torch.equal(taken, given)


def test_a_wider_target_repeats_every_value_about_as_often():
    wider = replace(SPEC, embed_dim=2 * SPEC.embed_dim, num_heads=2 * SPEC.num_heads)
    target, ancestor = grown("permuted", wider)
    for key, times in {"attn.qkv.weight": 4, "attn.qkv.bias": 2, "mlp.fc1.weight": 4, "norm1.weight": 2}.items():
        values, counts = target[f"blocks.0.{key}"].unique(return_counts=True)
        assert torch.equal(values, ancestor[f"blocks.0.{key}"].flatten().sort().values) and (counts == times).all()


def test_moments_are_kept_where_it_grows():
    wider = replace(SPEC, embed_dim=3 * SPEC.embed_dim // 2, num_heads=3 * SPEC.num_heads // 2, depth=SPEC.depth + 1)
    target, ancestor = grown("moments", wider)
    for block in range(wider.depth):
        given = ancestor[f"blocks.{block * SPEC.depth // wider.depth}.mlp.fc1.weight"]
        taken = target[f"blocks.{block}.mlp.fc1.weight"]
        assert taken.unique().numel() > 0.99 * taken.numel()  # drawn, not repeated
        assert abs(taken.mean() - given.mean()) < 0.1 and abs(taken.std() / given.std() - 1) < 0.1
