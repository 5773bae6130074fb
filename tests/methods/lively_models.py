"""Lively models in float64, their logits, and what a method makes of them."""

from __future__ import annotations

import inspect
from functools import cache

import torch

import methods
from methods.testing import perturbed, state
from methods.vit import VitSpec, build_vit
from tests.methods.tinylab import SPEC, TinyLab

HEADED = SPEC.replace(embed_dim=12, num_heads=3, depth=4, mlp_ratio=2.0)  # heads of 4 channels, 24 hidden units


def lively(spec, seed=1):
    """A float64 state in which every tensor, norms and biases too, matters for the logits."""
    return {n: t.clone() for n, t in _lively(spec, seed).items()}


@cache
def _lively(spec, seed):
    draw = torch.Generator().manual_seed(seed)
    tensors = {n: t.double() for n, t in state(perturbed(spec, seed)).items()}
    return {n: t + 0.2 * torch.randn(t.shape, generator=draw, dtype=torch.double) for n, t in tensors.items()}


def model_of(tensors, spec):
    """A timm model with these weights, in their type, in evaluation mode."""
    model = perturbed(spec, seed=0).to(next(iter(tensors.values())).dtype)  # a copy, which is faster than to build one
    model.load_state_dict(tensors)
    return model.eval()


def images(spec=SPEC, n=5, seed=7):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, spec.in_chans, spec.img_size, spec.img_size, generator=draw, dtype=torch.double)


def logits(tensors, spec):
    """Logits [n, classes] of a model with these weights, in their type."""
    model = model_of(tensors, spec)
    with torch.no_grad():
        return model(images(spec).to(next(model.parameters()).dtype))


def gap(a, b):
    """Largest absolute difference."""
    return (a - b).abs().max().item()


def filled(name, tensors, spec, target_spec, lab=None, **options):
    """The target's weights after the method `name`, in the type of the ancestor's `tensors`; its head transfers."""
    init = methods.get(name, **{"head": "transfer"} | options)
    ancestor, lab = model_of(tensors, spec), lab or TinyLab([target_spec])
    target = perturbed(target_spec, seed=5).to(next(ancestor.parameters()).dtype)
    init.initialize(target, init.condense(ancestor, lab), lab)
    return state(target)


def plant(monkeypatch, module, right, wrong):
    """Make a mistake in a module for the length of a test: its source with `wrong` in place of the one `right`.

    What the module has under a name is replaced by what the changed source makes, so reach it through the module.
    """
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"{right!r} occurs {source.count(right)} times in {module.__name__}"
    changed = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(source.replace(right, wrong), module.__file__, "exec"), changed)
    for name, value in changed.items():
        if getattr(value, "__module__", None) == module.__name__:
            monkeypatch.setattr(module, name, value)


def stored_of_deit(name, **options):
    """Stored parameters, the head left out, with a DeiT-Ti, -S and -B as ancestor; for methods that only copy."""
    return [methods.get(name, **options).condense(model, None).stored_params for model in _deits()]


@cache
def _deits():
    with torch.device("meta"):
        return [build_vit(VitSpec(embed_dim=width, num_heads=width // 64)) for width in (192, 384, 768)]
