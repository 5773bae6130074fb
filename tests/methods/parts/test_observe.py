"""What enters an ancestor's modules, seen on a copy of it."""

import pytest
import torch

from methods.parts.observe import observe
from methods.testing import perturbed, same, state
from tests.methods.tinylab import SPEC, TinyLab


class Metered(TinyLab):
    """Counts what is charged."""

    charged = 0

    def meter(self, name):
        self.charged += 1
        return super().meter(name)


def test_inputs_of_modules_batch_by_batch():
    model, lab, seen = perturbed(SPEC, seed=1).train(), Metered(), []
    before = state(model)
    observe(
        model, lab, 20, "look", ["blocks.0", "norm", "blocks.1.attn.proj"], lambda inputs: seen.append(dict(inputs))
    )
    assert [batch["norm"].shape[0] for batch in seen] == [8, 8, 4] and lab.charged == 3
    with torch.no_grad():
        for batch, images in zip(seen, lab.batches(20, name="look"), strict=True):
            x = model.patch_embed(images) + model.pos_embed
            assert batch["blocks.0"].equal(x) and not batch["norm"].requires_grad
            assert (batch["norm"] - model.eval().blocks(x)).abs().max() < 1e-6
    assert same(state(model), before) and not any(m._forward_pre_hooks for m in model.modules())


def test_without_a_lab():
    with pytest.raises(ValueError, match="needs a lab"):
        observe(perturbed(SPEC, seed=1), None, 8, "look", ["norm"], print)
