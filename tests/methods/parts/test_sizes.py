"""Sizes, the shapes of their tensors, and the tensors of all blocks as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.parts.sizes import (
    common,
    largest,
    other_than_size,
    shapes_of,
    size_from,
    size_of,
    stacked,
    stacked_shapes,
    unstacked,
)
from methods.vit import build_vit
from tests.methods.tinylab import SPEC

SMALL = SPEC.replace(embed_dim=16, num_heads=1, depth=6, mlp_ratio=8.0)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        SMALL.replace(in_chans=3, patch_size=2, mlp_ratio=2.5, num_classes=7),
        SPEC.replace(class_token=True),
        SPEC.replace(class_token=True, global_pool="token"),
    ],
)
def test_shapes_are_timms(spec):
    tensors = build_vit(spec).state_dict()
    assert shapes_of(spec) == {name: tuple(t.shape) for name, t in tensors.items()}
    stacks = stacked(tensors)
    assert stacked_shapes(shapes_of(spec)) == {name: tuple(t.shape) for name, t in stacks.items()}
    assert all(unstacked(stacks)[name].equal(t) for name, t in tensors.items())


def test_the_largest_and_the_common_size():
    assert largest([SPEC, SMALL]) == {"embed_dim": 32, "num_heads": 2, "depth": 6, "mlp_ratio": 4.0}
    assert common(SPEC, SMALL) == {"embed_dim": 16, "num_heads": 1, "depth": 4, "mlp_ratio": 8.0}
    assert largest([SPEC]) == common(SPEC, SPEC) == size_of(SPEC)


@given(st.integers(1, 64), st.integers(1, 16), st.integers(1, 5000))
def test_hidden_units_are_those_asked_for(heads, head_dim, hidden):
    size = size_from(3, head_dim, heads, hidden)
    spec = SPEC.replace(**size)
    assert (spec.embed_dim, spec.num_heads, spec.depth, spec.hidden_dim) == (heads * head_dim, heads, 3, hidden)


def test_what_is_no_size():
    assert other_than_size(SPEC, SMALL) is None
    assert other_than_size(SPEC, SPEC.replace(num_heads=4)) == "cannot change head_dim: ancestor 16, target 8"
    assert "patch_size" in other_than_size(SPEC, SPEC.replace(patch_size=2))
