"""What weight selection took from where: models whose weights count their own entries."""

import torch

import methods
from methods.testing import perturbed, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC

BIG = SPEC.replace(embed_dim=30, num_heads=5, depth=4, mlp_ratio=2.0)
SMALL = SPEC.replace(embed_dim=12, num_heads=3, depth=3, mlp_ratio=1.5)


def coded(spec):
    """A model in which each tensor counts its own entries, so that indices can be read off the selected values."""
    model = build_vit(spec)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.arange(p.numel()).view(p.shape))
    return model


def selected(ancestor, target_spec, lab=None, **options):
    """The state of a target of that size after weight selection."""
    init, target = methods.get("weight_selection", **options), perturbed(target_spec, seed=5)
    init.initialize(target, init.condense(ancestor, lab), lab)
    return state(target)


def indices(tensor, shape):
    """The index set of each dimension that gives `tensor` out of an arange of `shape`; asserts that it is such."""
    places = torch.unravel_index(tensor.long(), shape)
    result = []
    for dim, place in enumerate(places):
        rows = place.movedim(dim, -1).reshape(-1, tensor.shape[dim])
        assert (rows == rows[0]).all(), "not a sub-tensor"
        result.append(rows[0].tolist())
    return result


def chosen(spec, target_spec, **kwargs):
    """name -> index set per dimension."""
    ancestor = coded(spec)
    shapes = {name: t.shape for name, t in ancestor.state_dict().items()}
    weights = selected(ancestor, target_spec, **kwargs)
    return {n: indices(t, shapes[n]) for n, t in weights.items() if not n.startswith("head")}
