"""What methods share: fresh weights, names, allowed values."""

import pytest
import torch

import methods
from methods.parts.weights import check_choices, fresh_vit, generator, named_as_in, under
from methods.testing import same
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab


def test_a_generator_comes_from_the_lab_or_a_fixed_seed():
    lab = TinyLab(seed=5)
    assert generator(lab, "a").initial_seed() == lab.generator("a").initial_seed()
    seeds = [generator(None, name).initial_seed() for name in ("a", "a", "b")]
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_fresh_vit_is_timms_draw_from_that_state():
    draw = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    model = fresh_vit(SPEC, draw)
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(3)
    assert same(model.state_dict(), build_vit(SPEC).state_dict())


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("norm.weight", ["fc_norm.weight"], "fc_norm.weight"),
        ("fc_norm.bias", ["norm.bias"], "norm.bias"),
        ("norm.weight", ["norm.weight", "fc_norm.weight"], "norm.weight"),
        ("head.weight", ["norm.weight"], "head.weight"),
        ("norm.weight", [], "norm.weight"),
        ("blocks.0.norm1.weight", ["fc_norm.weight"], "blocks.0.norm1.weight"),
    ],
)
def test_the_final_norm_has_two_names(name, names, expected):
    assert named_as_in(name, names) == expected


def test_choices_are_checked():
    init = methods.get("random")
    check_choices(init)
    init.head = "maybe"
    with pytest.raises(ValueError, match="head must be one of transfer, fresh; found 'maybe'"):
        check_choices(init)


def test_tensors_under_a_prefix():
    a, b = torch.zeros(1), torch.ones(1)
    found = under({"map.q": a, "map.map.k": b, "mapq": a, "x.map.v": b}, "map.")
    assert found.keys() == {"q", "map.k"} and found["map.k"] is b
