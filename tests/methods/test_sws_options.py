"""Stage-wise weight sharing: sizes that it cannot serve and options that are impossible."""

import pytest

import methods
from methods.testing import perturbed
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

DEEP = SPEC.replace(depth=7)


@pytest.fixture
def condensed():
    """(initializer, its learngene)."""
    ancestor, init = perturbed(DEEP, seed=1), methods.get("sws")
    return init, init.condense(ancestor, TinyLab(teacher=ancestor))


@pytest.mark.parametrize("field", ["embed_dim", "img_size", "mlp_ratio", "in_chans", "patch_size"])
def test_only_depth_and_heads_change(field, condensed):
    changed = SPEC.replace(**{field: getattr(SPEC, field) * 2})
    init, learngene = condensed
    assert init.supports(SPEC, changed).startswith(f"cannot change {field}")
    with pytest.raises(ValueError, match=f"cannot change {field}"):
        init.initialize(build_vit(changed), learngene, None)
    assert init.supports(SPEC, SPEC.replace(depth=9, num_heads=4, num_classes=3)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 0}, "stages must be at least 1"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
        ({"temperature": 0}, "temperature must be above 0"),
        ({"stages": 2, "layers_per_stage": [1]}, "layers_per_stage needs 2 numbers"),
        ({"stages": 2, "layers_per_stage": [1, 0]}, "layers_per_stage needs 2 numbers of at least 1"),
        ({"stages": 2, "stage_map": [0, 2]}, "stage_map needs stages from 0 to 1"),
        ({"train": {"distill": {"kl": 1}}}, "set alpha and temperature"),
        ({"head": "other"}, "head must be one of"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        methods.get("sws", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 8}, "stages 8 is more than the ancestor's depth 7"),
        ({"stage_map": [0, 1, 2]}, "stage_map has 3 entries for a target of depth 4"),
        ({"aux_heads": 5}, "aux_heads 5 does not divide the width 32"),
        ({"aux_heads": 0}, "aux_heads 0 does not divide the width 32"),
    ],
)
def test_options_impossible_for_a_target(options, message):
    init = methods.get("sws", **options)
    with pytest.raises(ValueError, match=message):
        init.check(DEEP, SPEC)
    with pytest.raises(ValueError, match=message):
        init.resolve(DEEP, [SPEC])


def test_more_stages_than_the_ancestor_has_layers_need_their_layers():
    methods.get("sws", stages=8, layers_per_stage=[1] * 8).check(DEEP, SPEC)


def test_condensing_needs_a_lab_and_initializing_does_not(condensed):
    with pytest.raises(ValueError, match="needs a lab"):
        methods.get("sws").condense(build_vit(DEEP), None)
    init, learngene = condensed
    target = build_vit(SPEC)
    init.initialize(target, learngene, None)
    assert target.fc_norm.weight.equal(learngene.tensors["fc_norm.weight"])
