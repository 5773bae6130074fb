"""Combinations of bases: the product, layer copying and stages as one-hot coefficients, the start."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods.parts.bases as bases_module
from methods.parts.bases import combined, fresh_bases, linear
from methods.sws import learngene_tensors, shared_vit, stage_of_block
from methods.testing import perturbed
from tests.methods.tinylab import SPEC

SHAPES = {"attn.qkv.weight": (6, 2), "norm1.weight": (2,), "norm1.bias": (2,), "mlp.fc2.weight": (2, 4)}


def drawn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def stacks(count):
    return {key: drawn(count, *shape, seed=i) for i, (key, shape) in enumerate(SHAPES.items())}


def by_loops(coefficients, stacks):
    """Every number of every block as a sum over the bases, in Python's floats."""
    weights = {}
    for block, row in enumerate(coefficients.tolist()):
        for key, stack in stacks.items():
            numbers = [0.0] * stack[0].numel()
            for c, base in zip(row, stack.double().flatten(1).tolist(), strict=True):
                numbers = [n + c * b for n, b in zip(numbers, base, strict=True)]
            weights[f"blocks.{block}.{key}"] = torch.tensor(numbers, dtype=torch.float64).view(stack.shape[1:])
    return weights


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 4))
def test_block_tensors_are_sums_of_bases(depth, count):
    coefficients, own = drawn(depth, count, seed=9), stacks(count)
    expected = by_loops(coefficients, own)
    weights = combined(coefficients, own)
    assert weights.keys() == expected.keys()
    for name, tensor in weights.items():
        assert tensor.dtype == torch.float64
        torch.testing.assert_close(tensor, expected[name], rtol=1e-13, atol=1e-13)
    single = {key: stack.float() for key, stack in own.items()}
    for name, tensor in combined(coefficients, single).items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor.double(), expected[name], rtol=2e-6, atol=2e-6)


def one_hot(sources, count):
    return torch.eye(count)[list(sources)]


def check_stages(depth, stages):
    """Sharing within stages, as sws does it, is one-hot coefficients: bit for bit."""
    aux = shared_vit(perturbed(SPEC.replace(depth=stages), seed=3), [1] * stages)
    gene = learngene_tensors(aux, [1] * stages, head=True)
    keys = [name.removeprefix("stages.0.") for name in gene if name.startswith("stages.0.")]
    own = {key: torch.stack([gene[f"stages.{s}.{key}"] for s in range(stages)]) for key in keys}
    blocks = stage_of_block(depth, stages)
    weights = combined(one_hot(blocks, stages), own)
    assert len(keys) == 12 and len(weights) == 12 * depth
    for block, stage in enumerate(blocks):
        for key in keys:
            assert weights[f"blocks.{block}.{key}"].equal(gene[f"stages.{stage}.{key}"])


@pytest.mark.parametrize(("depth", "stages"), [(7, 3), (3, 3), (2, 5), (4, 1)])
def test_stages_are_one_hot_coefficients(depth, stages):
    check_stages(depth, stages)


def test_wrong_stages_are_seen(monkeypatch):
    monkeypatch.setitem(globals(), "one_hot", lambda sources, count: torch.eye(count).roll(1, 1)[list(sources)])
    with pytest.raises(AssertionError):
        check_stages(7, 3)


def test_the_linear_expansion_never_reaches_one():
    assert linear(6).tolist() == [[1.0, pytest.approx(i / 6)] for i in range(6)]
    assert linear(1).tolist() == [[1.0, 0.0]]


def test_the_start():
    shapes = {"mlp.fc1.weight": (300, 300), "norm2.weight": (4,), "norm2.bias": (4,), "attn.proj.bias": (4,)}
    start = fresh_bases(shapes, 2, torch.Generator().manual_seed(0))
    for base in start["mlp.fc1.weight"]:
        assert 0.0198 < base.std() < 0.0202 and abs(base.mean()) < 3e-4
    assert start["norm2.weight"].tolist() == [[1.0] * 4, [0.0] * 4]
    assert not start["norm2.bias"].any() and not start["attn.proj.bias"].any()
    weights = combined(linear(3), start)
    assert bool((weights["blocks.2.norm2.weight"] == 1).all())


def test_bases_are_drawn_from_the_generator_alone():
    one, two = (fresh_bases(SHAPES, 2, torch.Generator().manual_seed(4)) for _ in range(2))
    other = bases_module.fresh_bases(SHAPES, 2, torch.Generator().manual_seed(5))
    assert all(one[key].equal(two[key]) for key in SHAPES)
    assert not one["mlp.fc2.weight"].equal(other["mlp.fc2.weight"])
