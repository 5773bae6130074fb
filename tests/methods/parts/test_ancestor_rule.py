"""The wiring of rules on an ancestor's state dict: heads, fresh tensors, names of the final norm, refusals."""

from dataclasses import dataclass

import pytest

from methods.base import HEAD
from methods.parts.ancestor_rule import AncestorRule
from methods.testing import perturbed, state
from tests.methods.tinylab import SPEC, TinyLab


@dataclass
class Copy(AncestorRule):
    """Everything as it is, the positions fresh."""

    def supports(self, ancestor, target):
        return None if ancestor.depth == target.depth else "no other depth"

    def built(self, weights, meta, target, lab):
        return {name: t for name, t in weights.items() if name != "pos_embed"}

    def fresh(self, ancestor, target):
        return ["pos_embed"]


def changed(init, spec, lab):
    """Names of the target's tensors that are the ancestor's, and whether the head was stored."""
    ancestor, target = perturbed(SPEC, seed=1), perturbed(spec, seed=2)
    before, learngene = state(target), init.condense(ancestor, lab)
    init.initialize(target, learngene, lab)
    after = state(target)
    return {name for name in after if not after[name].equal(before[name])}, learngene.stored_params_head > 0


@pytest.mark.parametrize(("head", "lab"), [("transfer", TinyLab()), ("transfer", None), ("fresh", TinyLab())])
def test_the_head_and_what_is_fresh(head, lab):
    names, stored = changed(Copy(head=head), SPEC, lab)
    everything = set(perturbed(SPEC, seed=1).state_dict())
    transfers = head == "transfer" and lab is not None
    assert names == everything - {"pos_embed"} - (set() if transfers else set(HEAD))
    assert stored == (head == "transfer")


def test_other_sizes_and_unfinished_rules_are_refused():
    with pytest.raises(ValueError, match="Copy: no other depth"):
        changed(Copy(), SPEC.replace(depth=3), None)
    with pytest.raises(NotImplementedError, match="AncestorRule does not say how a target is built"):
        changed(AncestorRule(), SPEC, None)
    with pytest.raises(ValueError, match="head must be one of transfer, fresh; found 'no'"):
        Copy(head="no")
