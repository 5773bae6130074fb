"""What the rules of weight selection promise at any size: sub-tensors, in order, of channels that belong together."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.methods.selected_entries import BIG, SMALL, chosen
from tests.methods.tinylab import SPEC

RULES = ("uniform", "consecutive", "random")


def check_aligned(sets, spec, target_spec):
    """Channels that meet in the computation come from the same channels of the ancestor."""
    stream = {tuple(sets["pos_embed"][2]), tuple(sets["patch_embed.proj.weight"][0]), tuple(sets["fc_norm.weight"][0])}
    for i in range(target_spec.depth):
        block = {name.removeprefix(f"blocks.{i}."): s for name, s in sets.items() if name.startswith(f"blocks.{i}.")}
        stream |= {tuple(block[n][0]) for n in ("norm1.weight", "norm2.bias", "attn.proj.weight", "mlp.fc2.bias")}
        stream |= {tuple(block[n][1]) for n in ("attn.qkv.weight", "mlp.fc1.weight")}
        assert block["mlp.fc1.weight"][0] == block["mlp.fc1.bias"][0] == block["mlp.fc2.weight"][1]
        attention = block["attn.proj.weight"][1]
        thirds = [[part * spec.embed_dim + c for c in attention] for part in range(3)]
        assert block["attn.qkv.weight"][0] == block["attn.qkv.bias"][0] == sum(thirds, [])
    assert len(stream) == 1


def check_whole_heads(sets, spec, target_spec):
    """Each head of the target lies within one head of the ancestor, at the same places in every head."""
    attention = torch.tensor(sets["blocks.0.attn.proj.weight"][1]).view(target_spec.num_heads, target_spec.head_dim)
    heads, within = attention // spec.head_dim, attention % spec.head_dim
    assert (heads == heads[:, :1]).all() and len(heads[:, 0].unique()) == target_spec.num_heads
    assert (within == within[:1]).all()


sizes = st.builds(
    lambda heads, dims, depths, hidden: (
        SPEC.replace(num_heads=heads[1], embed_dim=heads[1] * dims[1], depth=depths[1], mlp_ratio=2.0),
        SPEC.replace(num_heads=heads[0], embed_dim=heads[0] * dims[0], depth=depths[0], mlp_ratio=hidden),
    ),
    *[st.tuples(st.integers(1, 5), st.integers(1, 5)).map(sorted) for _ in range(3)],
    st.sampled_from((1.0, 1.5, 2.0)),
)


@settings(max_examples=25)
@given(sizes, st.sampled_from(RULES), st.sampled_from(("first", "spaced")))
def test_whole_heads_stay_aligned_at_any_size(pair, rule, layers):
    sets = chosen(*pair, rule=rule, heads="whole", layers=layers)
    check_aligned(sets, *pair)
    check_whole_heads(sets, *pair)


@pytest.mark.parametrize("rule", ["consecutive", "random"])
def test_flat_channels_stay_aligned(rule):
    check_aligned(chosen(BIG, SMALL, rule=rule), BIG, SMALL)


@settings(max_examples=25)
@given(sizes, st.sampled_from(RULES), st.booleans(), st.sampled_from(("flat", "whole")))
def test_every_rule_takes_a_sub_tensor_in_order(pair, rule, consistent, heads):
    sets = chosen(*pair, rule=rule, consistent=consistent, heads=heads)  # asserts sub-tensors
    assert all(s == sorted(set(s)) for per_tensor in sets.values() for s in per_tensor)


def test_heads_that_do_not_divide():
    whole = chosen(BIG, SMALL, heads="whole")["blocks.0.attn.proj.weight"][1]
    assert whole == [head * 6 + c for head in (0, 2, 4) for c in (0, 2, 3, 5)]
    first = chosen(BIG, SMALL, heads="whole", rule="consecutive")["blocks.0.attn.proj.weight"][1]
    assert first == [head * 6 + c for head in (0, 1, 2) for c in (0, 1, 2, 3)]


def test_inconsistent_sets_differ_between_tensors():
    sets = chosen(BIG, SMALL, rule="random", consistent=False)
    columns = {tuple(s[1]) for n, s in sets.items() if n.endswith(("qkv.weight", "fc1.weight"))}
    assert len(columns) == 2 * SMALL.depth
