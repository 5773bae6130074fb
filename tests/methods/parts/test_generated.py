"""The wrapper for models whose weights are generated."""

import pytest
import torch
from torch import nn

from methods.parts.generated import Generated
from methods.testing import perturbed
from tests.methods.small_waves import dense_twin, images
from tests.methods.tinylab import SPEC

NAMES = ("pos_embed", "blocks.1.attn.qkv.weight", "blocks.3.norm1.bias", "head.weight")


class Doubled(Generated):
    """Generates twice its own parameters."""

    def __init__(self, skeleton, names):
        own = {name: skeleton.get_parameter(name).detach().clone() for name in names}
        super().__init__(skeleton, names)
        self.names, self.own = names, nn.ParameterList(own.values())

    def weights(self):
        return {name: 2 * p for name, p in zip(self.names, self.own, strict=True)}


def test_it_computes_with_the_generated_weights():
    model, plain = Doubled(perturbed(SPEC, seed=1), NAMES).eval(), perturbed(SPEC, seed=1).eval()
    with torch.no_grad():
        for name in NAMES:
            plain.get_parameter(name).mul_(2)
    assert torch.equal(model(images()), plain(images()))
    assert torch.equal(dense_twin(model, SPEC)(images()), plain(images()))
    assert list(model.materialize()) == list(plain.state_dict())


def test_generated_parameters_are_gone_and_gradients_reach_their_source():
    model = Doubled(perturbed(SPEC, seed=1), NAMES)
    model(images()).square().sum().backward()
    assert not set(NAMES) & set(dict(model.skeleton.named_parameters()))
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_it_runs_on_the_meta_device():
    """Where FLOPs are counted."""
    model = Doubled(perturbed(SPEC, seed=1), NAMES).to("meta")
    assert model(images().to("meta")).shape == (4, SPEC.num_classes)


def test_materialized_tensors_are_copies():
    model = Doubled(perturbed(SPEC, seed=1), NAMES)
    tensors = model.materialize()
    assert not any(t.requires_grad for t in tensors.values())
    for t in tensors.values():
        t.zero_()
    assert all(p.any() for p in model.parameters())


def test_what_callers_read_of_a_model_is_passed_through():
    model = Doubled(perturbed(SPEC, seed=1), NAMES)
    assert (model.num_classes, model.embed_dim, model.in_chans) == (SPEC.num_classes, SPEC.embed_dim, SPEC.in_chans)
    assert "skeleton.pos_embed" in model.no_weight_decay()


def test_only_parameters_of_the_model_can_be_generated():
    with pytest.raises(KeyError, match="blocks.9.norm1.bias"):
        Generated(perturbed(SPEC, seed=1), ["blocks.9.norm1.bias"])
