"""Depth maps: the published lists, the formulas, the bounds, and copies that add nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from methods.parts import depth_maps as module
from methods.parts.depth_maps import DOWN, UP, blocks, stack, unservable
from methods.testing import same
from tests.methods.lively_models import HEADED, gap, lively, logits, plant

KINDS = sorted({*UP, *DOWN})


def draw():
    return torch.Generator().manual_seed(3)


PUBLISHED = [
    ("g_stack", 3, 7, None, [0, 1, 2, 0, 1, 2, 0]),
    ("stackbert", 3, 6, None, [0, 1, 2, 0, 1, 2]),
    ("g_stack", 6, 4, None, [0, 1, 2, 3]),
    ("interleave", 3, 6, None, [0, 0, 1, 1, 2, 2]),
    ("interleave", 4, 6, None, [0, 0, 1, 2, 2, 3]),
    ("interleave", 6, 4, None, [0, 1, 3, 4]),
    ("gradual_stack", 6, 9, None, [0, 1, 2, 3, 4, 5, 3, 4, 5]),
    ("solar", 32, 48, 8, [*range(24), *range(8, 32)]),  # SOLAR 10.7B
    ("solar", 32, 48, None, [*range(24), *range(8, 32)]),
    ("solar", 6, 7, 2, [0, 1, 2, 3, 2, 4, 5]),
    ("bert2bert_depth", 4, 10, None, [0, 1, 2, 3, 0, 1, 2, 3, 2, 3]),
    ("llama_pro", 32, 40, None, [i for i in range(32) for _ in range(2 if i % 4 == 3 else 1)]),  # LLaMA-Pro 8.3B
    ("llama_pro", 5, 8, None, [0, 0, 1, 2, 2, 3, 4, 4]),
    ("double_last", 4, 6, None, [0, 1, 2, 2, 3, 3]),
    ("first", 6, 4, None, [0, 1, 2, 3]),
    ("last", 6, 4, None, [2, 3, 4, 5]),
    ("spaced", 6, 3, None, [0, 2, 4]),
    ("spaced", 4, 3, None, [0, 2, 3]),
    ("symmetric", 12, 7, None, [0, 1, 2, 3, 9, 10, 11]),
    ("symmetric", 12, 6, None, [0, 1, 2, 9, 10, 11]),
    ("symmetric", 6, 1, None, [0]),
]


def check_list(kind, have, want, drop, expected):
    assert module.blocks(kind, have, want, drop=drop) == expected


@pytest.mark.parametrize(("kind", "have", "want", "drop", "expected"), PUBLISHED)
def test_lists(kind, have, want, drop, expected):
    check_list(kind, have, want, drop, expected)


MISTAKES = [
    ("g_stack", "i % have for i", "i // have for i"),
    ("interleave", "i * have // want", "i // 2"),  # as released: whatever the ratio
    ("gradual_stack", "every[have - extra :]", "every[:extra]"),
    ("solar", "every[k : k + extra]", "every[:extra]"),
    ("bert2bert_depth", "every[have - want % have :]", "every[: want % have]"),
    ("llama_pro", "// extra - 1 for j", "// extra for j"),
    ("double_last", "i >= have - extra", "i < extra"),
    ("first", "every[:want]\n", "every[-want:]\n"),
    ("last", "every[have - want :]", "every[:want]"),
    ("spaced", "uniform(have, want).tolist()", "[i * have // want for i in range(want)]"),
    ("symmetric", "every[: want - want // 2]", "every[: want // 2 + 1]"),
]


@pytest.mark.parametrize(("kind", "right", "wrong"), MISTAKES)
def test_a_mistake_is_seen(kind, right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        for row in PUBLISHED:
            if row[0] == kind:
                check_list(*row)


@given(st.sampled_from(KINDS), st.integers(1, 14), st.integers(1, 30))
def test_every_map_has_the_depth_and_only_blocks_of_the_ancestor(kind, have, want):
    if unservable(kind, have, want):
        with pytest.raises(ValueError, match=f"^{kind} "):
            blocks(kind, have, want, draw=draw())
        return
    made = blocks(kind, have, want, draw=draw())
    assert len(made) == want and set(made) <= set(range(have))
    if want == have:
        assert made == list(range(have))
    elif want > have:
        assert set(made) == set(range(have))
    elif kind != "shuffled":
        assert made == sorted(set(made))
    else:
        assert len(set(made)) == want


@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 24))
def test_solar_is_served_to_twice_what_is_left(have, drop, want):
    served = have <= want and (want == have or want <= 2 * (have - drop))
    assert (unservable("solar", have, want, drop=drop) is None) == served


def test_bounds_and_directions():
    assert "makes at most 8 blocks of 4: target 9" in unservable("gradual_stack", 4, 9)
    assert unservable("llama_pro", 4, 8) is None and unservable("llama_pro", 4, 9)
    assert unservable("first", 4, 5) == "first cannot grow depth: ancestor 4, target 5"
    assert unservable("llama_pro", 4, 3) == "llama_pro cannot shrink depth: ancestor 4, target 3"
    assert all(unservable(kind, 4, 4) is None for kind in KINDS)
    with pytest.raises(ValueError, match="unknown depth map 'stak'"):
        blocks("stak", 4, 5)


def check_zero_copies(kind):
    state, deeper = lively(HEADED), HEADED.replace(depth=7)
    grown = module.stack(state, blocks(kind, 4, 7), zero_copies=True)
    assert gap(logits(grown, deeper), logits(state, HEADED)) == 0
    plain = stack(state, blocks(kind, 4, 7))
    assert gap(logits(plain, deeper), logits(state, HEADED)) > 1e-3
    silent = [i for i in range(7) if not grown[f"blocks.{i}.mlp.fc2.bias"].any()]
    assert len(silent) == 3
    for i in range(7):
        names = [n for n in grown if n.startswith(f"blocks.{i}.") and not (i in silent and ("proj" in n or "fc2" in n))]
        assert all(grown[n].equal(plain[n]) for n in names)


@pytest.mark.parametrize("kind", UP)
def test_zero_copies_leave_the_logits(kind):
    check_zero_copies(kind)


def test_copies_are_bit_equal():
    state = lively(HEADED)
    assert same(stack(state, [0, 1, 2, 3]), state)
    got = stack(state, [2, 2, 0])
    assert got.keys() == {n for n in state if not n.startswith("blocks.3.")}
    for key in ("norm1.weight", "attn.qkv.weight", "mlp.fc2.bias"):
        assert [got[f"blocks.{i}.{key}"].equal(state[f"blocks.{s}.{key}"]) for i, s in enumerate((2, 2, 0))] == [
            True
        ] * 3


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("source in sources[:i]", "i >= 4"), ('"mlp.fc2."', '"mlp.fc1."'), ("torch.zeros_like(tensor)", "tensor")],
)
def test_a_copy_that_is_not_silent_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_zero_copies("interleave")
