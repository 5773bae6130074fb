"""Weight subcloning: activities by plain loops, the cut with its scale, and pruning as a special case."""

import math

import pytest
import torch

import methods
from methods import subcloning as module
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, images, lively, model_of, plant
from tests.methods.ranking_in_loops import NARROW, SPEC, Images, check_equal_size, check_permutations, cut
from tests.methods.tinylab import SPEC as PLAIN
from tests.methods.tinylab import TinyLab


def by_loops(state, n):
    """Mean |activation| of each unit; the forward pass written out."""
    model = model_of(state, SPEC)
    scores = {"stream": [0.0] * 12, "heads": [], "hidden": []}

    def mean(x):  # [images, tokens, channels] -> list
        return [sum(abs(v) for v in column.tolist()) / column.numel() for column in x.flatten(0, 1).T]

    with torch.no_grad():
        patches = model.patch_embed(images(SPEC, n))
        x = torch.cat([model.cls_token.expand(n, -1, -1), patches], 1) + model.pos_embed
        for block in model.blocks:
            scores["stream"] = [a + b for a, b in zip(scores["stream"], mean(x), strict=True)]
            q, k, v = block.attn.qkv(block.norm1(x)).split(12, -1)
            outputs = []
            for h in range(3):
                own = slice(4 * h, 4 * h + 4)
                weights = (q[..., own] @ k[..., own].transpose(1, 2) / 2).softmax(-1)
                outputs.append(weights @ v[..., own])
            scores["heads"].append([sum(mean(output)) / 4 for output in outputs])
            x = x + block.attn.proj(torch.cat(outputs, -1))
            hidden = torch.nn.functional.gelu(block.mlp.fc1(block.norm2(x)))
            scores["hidden"].append(mean(hidden))
            x = x + block.mlp.fc2(hidden)
        scores["stream"] = [a + b for a, b in zip(scores["stream"], mean(x), strict=True)]
    return scores


def check_activities():
    state = lively(SPEC)
    got, expected = module.activities(model_of(state, SPEC), Images(), 12), by_loops(state, 12)
    assert gap(got.stream, torch.tensor(expected["stream"])) < 1e-6
    assert gap(torch.stack(got.heads), torch.tensor(expected["heads"])) < 1e-6
    assert gap(torch.stack(got.hidden), torch.tensor(expected["hidden"])) < 1e-6
    return expected


def check_cut():
    state, scores = lively(SPEC), check_activities()
    got = filled("subcloning", state, SPEC, NARROW, Images(), images=12)
    expected = cut(state, scores, NARROW, [0, 1, 3], scale=lambda have, want: math.sqrt(have / want))
    assert max(gap(got[name], expected[name]) for name in got) < 1e-12
    unscaled = filled("subcloning", state, SPEC, NARROW, Images(), images=12, scale=False)
    assert same(unscaled, cut(state, scores, NARROW, [0, 1, 3]))


def test_activities_cut_and_scale():
    check_cut()


def test_in_equal_size_the_function_stays():
    check_equal_size("subcloning", images=12)


def test_the_order_of_the_ancestors_units_does_not_matter():
    check_permutations("subcloning", images=12)


def test_without_scale_and_by_prunings_order_it_is_pruning(monkeypatch):
    state, pruning = lively(SPEC), methods.get("pruning")
    monkeypatch.setattr(module.Subcloning, "scores", lambda self, *args: pruning.scores(*args))
    got = filled("subcloning", state, SPEC, NARROW, Images(), scale=False, layers="spaced")
    assert same(got, filled("pruning", state, SPEC, NARROW, Images()))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("math.sqrt(n_from / n_to)", "n_from / n_to"),
        ("math.sqrt(n_from / n_to)", "math.sqrt(n_to / n_from)"),
        ("scaled_first, scaled_first, first, scaled_first", "scaled_first, scaled_first, scaled_first, first"),
        (".double().abs().sum(0)", ".double().sum(0).abs()"),
        ('"symmetric"\n    at', '"first"\n    at'),
        (', mean["norm"])', ', mean["norm"] * 0)'),
        ("spec.num_heads, spec.head_dim).mean(1)", "spec.head_dim, spec.num_heads).mean(0)"),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_cut()


def test_images_are_needed():
    with pytest.raises(ValueError, match="needs a lab"):
        methods.get("subcloning").condense(model_of(lively(SPEC), SPEC), None)
    with pytest.raises(ValueError, match="images must be at least 1"):
        methods.get("subcloning", images=0)
    assert "cannot grow depth" in methods.get("subcloning").supports(HEADED, HEADED.replace(depth=5))


def test_the_contract_with_other_options():
    target = PLAIN.replace(embed_dim=16, num_heads=1, depth=2, mlp_ratio=3.0)
    init = methods.get("subcloning", images=20, scale=False, layers="last", head="fresh")
    check_initializer(init, PLAIN, target, TinyLab)


def test_what_is_stored_is_the_ancestor():
    learngene = methods.get("subcloning", images=20).condense(model_of(lively(SPEC), SPEC), Images())
    assert learngene.stored_params == sum(t.numel() for n, t in lively(SPEC).items() if "head" not in n)
    assert learngene.stored_params_head == 5 * 12 + 5
