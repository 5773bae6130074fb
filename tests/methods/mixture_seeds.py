"""A lab that keeps the trained seeds, and coefficients read off weights."""

import copy
import warnings

import torch

import methods
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

ROLES = ("q", "k", "v", "proj", "fc1", "fc2")


class Recorder(TinyLab):
    """Keeps a copy of every trained module in `modules`."""

    def fit(self, module, *, name, **kwargs):
        super().fit(module, name=name, **kwargs)
        self.modules = getattr(self, "modules", {}) | {name: copy.deepcopy(module)}


def condensed(*depths, spec=SPEC, seed=0, steps=2, **options):
    """(initializer, learngene, lab) for targets of those depths."""
    lab = Recorder(targets=[spec.replace(depth=depth) for depth in depths], seed=seed, steps=steps)
    init = methods.get("mixture_growth", **options)
    return init, init.condense(None, lab), lab


def grown(init, learngene, lab, depth, spec=SPEC):
    """A target of that depth after `initialize`."""
    target = build_vit(spec.replace(depth=depth))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="mixture_growth: .* least-covered")
        init.initialize(target, learngene, lab)
    return target


def weight(model, block, role):
    """The matrix of that role in a plain timm model, q, k and v taken apart."""
    layer = model.blocks[block]
    if role in "qkv":
        return layer.attn.qkv.weight.detach().chunk(3)["qkv".index(role)]
    return {"proj": layer.attn.proj, "fc1": layer.mlp.fc1, "fc2": layer.mlp.fc2}[role].weight.detach()


def coefficients_of(matrix, bank):
    """Coefficients [T] with which the templates `bank` [T, out, in] make `matrix`; asserts that they do."""
    a, b = bank.flatten(1).double().T, matrix.flatten().double()
    found = torch.linalg.lstsq(a, b[:, None]).solution[:, 0]
    assert (a @ found - b).abs().max() < 1e-6, "not a combination of these templates"
    return found
