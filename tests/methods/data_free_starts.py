"""Fill targets with methods that store nothing."""

from __future__ import annotations

import methods
from methods.testing import perturbed, state
from tests.methods.tinylab import SPEC, TinyLab

SIZES = {
    "narrow": SPEC.replace(embed_dim=16, num_heads=1, depth=1),
    "plain": SPEC,
    "token": SPEC.replace(depth=2, class_token=True, global_pool="token", img_size=12),
    "wide": SPEC.replace(embed_dim=48, num_heads=3, depth=2, mlp_ratio=2.0),
}


def started(name, spec=SPEC, *, seed=0, target_seed=2, lab=True, **options):
    """(weights before, weights after) of a perturbed target filled by the method `name`."""
    init, target = methods.get(name, **options), perturbed(spec, target_seed)
    own = TinyLab((spec,), seed=seed) if lab else None
    learngene = init.condense(None, own)
    assert not learngene.tensors and not learngene.meta
    before = state(target)
    init.initialize(target, learngene, own)
    return before, state(target)


def changed(pair):
    """Names of the tensors that differ from the fresh ones."""
    before, after = pair
    return {name for name in before if not before[name].equal(after[name])}


def heads_of(weight, spec, part):
    """Rows [heads, head_dim, d] of q, k or v in the fused weight, cut out row by row."""
    start = "qkv".index(part) * spec.embed_dim
    rows = [weight[start + i] for i in range(spec.embed_dim)]
    cut = [rows[h * spec.head_dim : (h + 1) * spec.head_dim] for h in range(spec.num_heads)]
    return [[row.double().tolist() for row in head] for head in cut]
