"""Combinations of bases: the product, layer copying and stages as one-hot coefficients, the model, its start."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods.parts.bases as bases_module
from methods.parts.bases import BasesVit, combined, fresh_bases, linear, one_hot
from methods.parts.weights import fresh_vit
from methods.sws import learngene_tensors, shared_vit, stage_of_block
from methods.testing import perturbed
from methods.vit import build_vit
from tests.methods.tinylab import SPEC
from tests.methods.wave_tools import dense_twin, images

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


@settings(max_examples=20, deadline=None)
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


def made(seed=1):
    skeleton = fresh_vit(SPEC, torch.Generator().manual_seed(seed))
    shapes = {key: t.shape for key, t in skeleton.blocks[0].state_dict().items()}
    own = {key: 0.1 * drawn(3, *shape, seed=i, dtype=torch.float32) for i, (key, shape) in enumerate(shapes.items())}
    return BasesVit(skeleton, drawn(SPEC.depth, 3, dtype=torch.float32), own), own


def test_the_model_computes_what_its_dense_weights_compute():
    model, own = made()
    dense = dense_twin(model, SPEC)
    assert torch.equal(dense(images()), model(images()))
    assert dense.state_dict().keys() == build_vit(SPEC).state_dict().keys()
    expected = by_loops(model.coefficients, own)
    for name, tensor in model.materialize().items():
        if name in expected:
            torch.testing.assert_close(tensor.double(), expected[name], rtol=2e-6, atol=2e-6)
    assert all(stack.equal(own[key]) for key, stack in model.stacks().items())


def test_bases_are_trained_and_coefficients_are_not():
    model, _ = made()
    model(images()).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.bases)
    assert "coefficients" in dict(model.named_buffers())
    assert not any(name.startswith("skeleton.blocks") for name, _ in model.named_parameters())


def test_what_becomes_norms_and_biases_is_not_decayed():
    model, own = made()
    free = {key for i, key in enumerate(own) if f"bases.{i}" in model.no_weight_decay()}
    assert free == {key for key in own if key.endswith("bias") or "norm" in key} and len(free) == 8
    assert "skeleton.pos_embed" in model.no_weight_decay()


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
