"""A ViT made by a rule: dense weights, what is trained, frozen and decayed."""

import torch

from methods.parts.by_rule import RuledVit
from methods.parts.weights import fresh_vit
from methods.vit import build_vit
from tests.methods.small_waves import dense_twin, images
from tests.methods.tinylab import SPEC


def sums(tensors):
    """Every block's fc1 is a + b, its norm1 is n."""
    made = {f"blocks.{i}.mlp.fc1.weight": tensors["a"] + (i + 1) * tensors["b"] for i in range(SPEC.depth)}
    return made | {f"blocks.{i}.norm1.weight": tensors["n"] for i in range(SPEC.depth)}


def made():
    draw = torch.Generator().manual_seed(1)
    tensors = {name: torch.randn(128, 32, generator=draw) for name in "ab"} | {"n": torch.ones(32)}
    model = RuledVit(fresh_vit(SPEC, draw), tensors, sums, frozen=["b"], undecayed=["n"])
    return model, tensors


def test_the_model_computes_what_its_dense_weights_compute():
    model, tensors = made()
    dense = dense_twin(model, SPEC)
    assert torch.equal(dense(images()), model(images()))
    assert list(model.materialize()) == list(build_vit(SPEC).state_dict())
    assert dense.blocks[2].mlp.fc1.weight.equal(tensors["a"] + 3 * tensors["b"])


def test_what_is_trained_frozen_and_decayed():
    model, _ = made()
    model(images()).square().mean().backward()
    assert {name for name, p in zip(model.names, model.trained, strict=True) if p.grad.any()} == {"a", "n"}
    assert model.get_buffer("frozen_0").grad is None and "b" not in model.names
    assert {"trained.1", "skeleton.pos_embed"} <= model.no_weight_decay() and "trained.0" not in model.no_weight_decay()


def test_what_is_stored():
    model, tensors = made()
    stored = model.stored()
    generated = set(sums(tensors))
    assert set(stored) == {"a", "n"} | set(build_vit(SPEC).state_dict()) - generated
    assert all(stored[name].equal(tensors[name]) and stored[name] is not tensors[name] for name in "an")
