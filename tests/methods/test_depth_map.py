"""Depth maps as a method: copies bit by bit, what images say about blocks, and the sizes that each kind serves."""

import math
from typing import get_args, get_type_hints

import pytest
import torch

import methods
from methods import depth_map as module
from methods.parts.depth_maps import UP, blocks, unservable
from methods.testing import check_initializer, same
from tests.methods.lively_models import HEADED, filled, gap, images, lively, logits, model_of, plant, stored_of_deit
from tests.methods.tinylab import TinyLab

KINDS = get_args(get_type_hints(module.DepthMap)["kind"])
PLAIN = [kind for kind in KINDS if kind not in (*module.MEASURED, "shuffled")]
SPEC = HEADED.replace(depth=6)


class Images(TinyLab):
    """Gives the images of the tools, in float64 and in uneven batches, of many images in few."""

    def batches(self, n, *, name, labels=False):
        yield from images(SPEC, n).split(max(3, n // 5))


def copied(state, sources):
    """The expected weights, name by name."""
    result = {n: t for n, t in state.items() if not n.startswith("blocks.")}
    for i, source in enumerate(sources):
        prefix = f"blocks.{source}."
        result |= {f"blocks.{i}.{n.removeprefix(prefix)}": t for n, t in state.items() if n.startswith(prefix)}
    return result


@pytest.mark.parametrize("depth", [3, 6, 9, 12])
@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != "llama_pro"])
def test_blocks_are_copied_bit_by_bit(kind, depth):
    state, target = lively(SPEC), SPEC.replace(depth=depth)
    if unservable(kind, 6, depth):
        assert methods.get("depth_map", kind=kind).supports(SPEC, target).startswith(kind)
        return
    assert same(filled("depth_map", state, SPEC, target, kind=kind), copied(state, blocks(kind, 6, depth)))


@pytest.mark.parametrize("kind", KINDS)
def test_in_equal_depth_every_kind_is_bit_equal(kind):
    assert same(filled("depth_map", lively(SPEC), SPEC, SPEC, Images(), kind=kind), lively(SPEC))


@pytest.mark.parametrize("kind", UP)
def test_zero_copies_leave_the_logits(kind):
    state, target = lively(SPEC), SPEC.replace(depth=10)
    got = filled("depth_map", state, SPEC, target, kind=kind, zero_copies=True)
    assert gap(logits(got, target), logits(state, SPEC)) == 0


def test_llama_pro_adds_nothing_unasked():
    state, target = lively(SPEC), SPEC.replace(depth=8)
    assert gap(logits(filled("depth_map", state, SPEC, target, kind="llama_pro"), target), logits(state, SPEC)) == 0


def test_shuffled_blocks_come_from_the_lab():
    state, target = lively(SPEC), SPEC.replace(depth=5)
    draws = [filled("depth_map", state, SPEC, target, TinyLab(seed=s), kind="shuffled") for s in (0, 0, 1)]
    assert same(draws[0], draws[1]) and not same(draws[0], draws[2])


def test_an_explicit_list_overrides():
    state, target = lively(SPEC), SPEC.replace(depth=4)
    assert same(filled("depth_map", state, SPEC, target, blocks=[5, 0, 0, 2]), copied(state, [5, 0, 0, 2]))
    init = methods.get("depth_map", kind="angular", blocks=[5, 0, 0, 2])
    assert init.resolve(SPEC, [target]).images == 0  # nothing to look at
    with pytest.raises(ValueError, match="blocks has 4 entries for a target of depth 3"):
        init.check(SPEC, SPEC.replace(depth=3))
    with pytest.raises(ValueError, match="from 0 to 5"):
        methods.get("depth_map", blocks=[6]).check(SPEC, SPEC.replace(depth=1))


def by_loops(state, n):
    """Influences and angles of the ancestor on `n` images, token by token."""
    model, states = model_of(state, SPEC), []
    with torch.no_grad():
        x = model.pos_embed + model.patch_embed(images(SPEC, n))
        for block in [*model.blocks, None]:
            states.append(x.flatten(0, 1).tolist())
            x = block(x) if block is not None else x

    def cosine(a, b):
        dot = sum(p * q for p, q in zip(a, b, strict=True))
        return dot / math.sqrt(sum(p * p for p in a) * sum(q * q for q in b))

    def mean(f, i, j):
        return sum(f(cosine(a, b)) for a, b in zip(states[i], states[j], strict=True)) / len(states[i])

    influence = [1 - mean(lambda c: c, i, i + 1) for i in range(6)]
    angle = {(i, j): mean(lambda c: math.acos(c) / math.pi, i, j) for i in range(7) for j in range(i + 1, 7)}
    return influence, angle


def check_measures():
    state = lively(SPEC)
    got = module.measured(model_of(state, SPEC), Images(), 7)
    influence, angle = by_loops(state, 7)
    assert torch.tensor(got["block_influence"]).allclose(torch.tensor(influence), atol=1e-6)
    for i in range(6):
        for j in range(1, 7):
            assert abs(got["angular"][i][j - 1] - angle.get((i, j), 0)) < 1e-9
    return influence, angle


def check_measured_kinds():
    influence, angle = check_measures()
    for want in range(1, 6):
        dropped = sorted(range(6), key=lambda b: influence[b])[: 6 - want]
        kept = [b for b in range(6) if b not in dropped]
        state, target = lively(SPEC), SPEC.replace(depth=want)
        got = filled("depth_map", state, SPEC, target, Images(), kind="block_influence", images=7)
        assert same(got, copied(state, kept))
        starts = {angle[start, start + 6 - want]: start for start in range(want + 1)}
        start = starts[min(starts)]
        kept = [b for b in range(6) if b < start or b >= start + 6 - want]
        assert same(filled("depth_map", state, SPEC, target, Images(), kind="angular", images=7), copied(state, kept))


def test_what_images_say_against_loops_over_tokens():
    check_measured_kinds()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1 - cosines[i][i + 1]", "cosines[i][i + 1]"),
        ("-influence[block]", "influence[block]"),
        ("cosines.arccos() / torch.pi", "cosines.arccos()"),
        ("angles[block][block + run - 1]", "angles[block][block]"),
        ("key=lambda block: angles", "key=lambda block: -angles"),
        ('*(f"blocks.{i}" for i in range(depth)), "norm"', 'f"blocks.{0}", *(f"blocks.{i}" for i in range(depth))'),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        check_measured_kinds()


def test_of_equal_influence_the_earlier_block_stays():
    assert module.most_influential([0.5, 0.2, 0.2, 0.9, 0.2], 3) == [0, 1, 3]
    assert module.without_the_straightest([[0.1] * 4] * 4, 2) == [2, 3]


def test_images_are_looked_at_only_where_asked():
    target = SPEC.replace(depth=2)
    assert methods.get("depth_map").resolve(SPEC, [target]).images == 0
    assert methods.get("depth_map", kind="angular").resolve(SPEC, [target]).images == 1024
    meta = methods.get("depth_map", kind="angular").condense(model_of(lively(SPEC), SPEC), Images()).meta
    assert len(meta["block_influence"]) == 6 and [len(row) for row in meta["angular"]] == [6] * 6
    with pytest.raises(ValueError, match="needs a lab"):
        methods.get("depth_map", kind="angular").condense(model_of(lively(SPEC), SPEC), None)
    with pytest.raises(ValueError, match="drop is a number of blocks for kind solar"):
        methods.get("depth_map", drop=1)
    with pytest.raises(ValueError, match="images must be at least 1"):
        methods.get("depth_map", kind="angular", images=0)
    assert "angular cannot grow depth" in methods.get("depth_map", kind="angular").supports(SPEC, SPEC.replace(depth=7))
    assert "embed_dim" in methods.get("depth_map").supports(SPEC, SPEC.replace(embed_dim=16, num_heads=4))


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "block_influence", "images": 8},
        {"kind": "angular", "images": 8},
        {"kind": "shuffled", "head": "fresh"},
        {"kind": "last"},
    ],
)
def test_the_contract_with_fewer_blocks(options):
    check_initializer(methods.get("depth_map", **options), SPEC, SPEC.replace(depth=2), TinyLab)


@pytest.mark.parametrize("options", [{"kind": "llama_pro"}, {"kind": "solar", "zero_copies": True}])
def test_the_contract_with_more_blocks(options):
    check_initializer(methods.get("depth_map", **options), SPEC, SPEC.replace(depth=9), TinyLab)


def test_what_is_stored_is_the_ancestor():
    assert stored_of_deit("depth_map") == [5_524_032, 21_664_896, 85_797_120]
