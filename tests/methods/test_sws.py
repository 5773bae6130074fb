"""Stage-wise weight sharing: maps, sharing, what is stored, and what the auxiliary network is trained on."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import methods
from methods.base import Learngene
from methods.parts.weights import fresh_vit
from methods.sws import learngene_tensors, shared_vit, spread, stage_of_block
from methods.testing import perturbed, same, state
from methods.vit import VitSpec, build_vit
from tests.methods.tinylab import SPEC, TinyLab

DEEP = SPEC.replace(depth=7)


def condensed(ancestor_spec=DEEP, targets=(SPEC,), steps=2, **options):
    """(initializer, learngene, lab) after condensing a perturbed ancestor of that size."""
    ancestor = perturbed(ancestor_spec, seed=1)
    init, lab = methods.get("sws", **options), TinyLab(targets, teacher=ancestor, steps=steps)
    return init, init.condense(ancestor, lab), lab


def filled(init, learngene, spec, lab):
    target = perturbed(spec, seed=2)
    init.initialize(target, learngene, lab)
    return target.eval()


@pytest.mark.parametrize(
    ("depth", "stages", "layers"),
    [
        (16, 5, [3, 3, 4, 3, 3]),  # the released auxiliary network
        (12, 5, [2, 3, 3, 2, 2]),
        (8, 4, [2, 2, 2, 2]),
        (7, 5, [1, 2, 2, 1, 1]),
        (8, 5, [1, 2, 2, 2, 1]),
        (3, 3, [1, 1, 1]),
        (4, 1, [4]),
    ],
)
def test_layers_of_the_auxiliary_network(depth, stages, layers):
    assert spread(depth, stages) == layers


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_spread_is_even(sizes):
    layers = spread(*sizes)
    assert sum(layers) == sizes[0] and len(layers) == sizes[1] and max(layers) - min(layers) <= 1


@pytest.mark.parametrize(
    ("depth", "stages", "blocks"),
    [
        (12, 5, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4]),  # the one published map
        (5, 5, [0, 1, 2, 3, 4]),
        (6, 5, [0, 0, 1, 2, 3, 4]),
        (4, 5, [0, 1, 3, 4]),
        (3, 5, [0, 2, 4]),
        (3, 4, [0, 2, 3]),  # 1.5 is rounded up
        (2, 5, [0, 4]),
        (1, 5, [0]),
        (1, 1, [0]),
    ],
)
def test_stage_of_each_block(depth, stages, blocks):
    assert stage_of_block(depth, stages) == blocks


@given(st.integers(1, 40), st.integers(1, 12))
def test_stages_are_in_order_and_evenly_used(depth, stages):
    blocks = stage_of_block(depth, stages)
    assert len(blocks) == depth and blocks == sorted(blocks)
    if depth >= stages:
        counts = [blocks.count(stage) for stage in range(stages)]
        assert counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1
    elif depth > 1:
        assert blocks == [floor(Fraction(i * (stages - 1), depth - 1) + Fraction(1, 2)) for i in range(depth)]


@pytest.mark.parametrize(
    ("width", "heads", "block", "rest", "stored", "head"),
    [
        (192, 3, 444_864, 185_664, 2_409_984, 193_000),
        (384, 6, 1_774_464, 371_328, 9_243_648, 385_000),
        (768, 12, 7_087_872, 742_656, 36_182_016, 769_000),
    ],
)
def test_stored_parameters_of_deit(width, heads, block, rest, stored, head):
    with torch.device("meta"):
        aux = shared_vit(build_vit(VitSpec(embed_dim=width, num_heads=heads, depth=5)), [3, 3, 4, 3, 3])
    tensors = learngene_tensors(aux, [3, 3, 4, 3, 3], head=True)
    learngene = Learngene(tensors)
    stage = [t.numel() for n, t in tensors.items() if n.startswith("stages.3.")]
    others = [t.numel() for n, t in tensors.items() if not n.startswith(("stages.", "head."))]
    assert (sum(stage), sum(others)) == (block, rest)
    assert (learngene.stored_params, learngene.stored_params_head) == (stored, head)


def test_layers_of_a_stage_are_one_block():
    aux = shared_vit(build_vit(SPEC.replace(depth=2)), [3, 1])
    assert len(aux.blocks) == 4
    assert aux.blocks[0] is aux.blocks[1] is aux.blocks[2] is not aux.blocks[3]
    plain = build_vit(SPEC.replace(depth=2))
    assert sum(p.numel() for p in aux.parameters()) == sum(p.numel() for p in plain.parameters())


def test_the_target_with_the_auxiliary_layout_computes_what_the_auxiliary_network_does():
    seen = {}

    class Lab(TinyLab):
        def fit(self, module, **kwargs):
            super().fit(module, **kwargs)
            seen["aux"] = module

    ancestor, target = perturbed(DEEP, seed=1), SPEC.replace(depth=7)
    lab, init = Lab([target], teacher=ancestor), methods.get("sws", stages=3, stage_map=[0, 0, 1, 1, 1, 2, 2])
    learngene = init.condense(ancestor, lab)
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        assert filled(init, learngene, target, lab)(images).equal(seen["aux"](images))


@pytest.mark.parametrize(
    ("stages", "depth", "version"),
    [(5, 7, 2), (3, 7, 2), (5, 6, 1), (4, 7, 1), (1, 7, 1), (7, 7, 1), (5, 12, 1)],  # 1,2,2,1,1 is not 2,2,1,1,1
)
def test_a_target_of_the_auxiliary_networks_depth_takes_its_layout_and_only_that_is_version_2(stages, depth, version):
    seen = {}

    class Lab(TinyLab):
        def fit(self, module, **kwargs):
            super().fit(module, **kwargs)
            seen["aux"] = module

    ancestor, target = perturbed(DEEP, seed=1), SPEC.replace(depth=depth)
    lab = Lab([target], teacher=ancestor)
    init = methods.get("sws", stages=stages).resolve(DEEP, [target])
    learngene = init.condense(ancestor, lab)
    made = state(filled(init, learngene, target, lab))
    evenly = replace(init, stage_map=stage_of_block(depth, stages))
    assert same(made, state(filled(evenly, learngene, target, lab))) == (version == 1)
    assert (init.version_of(None), init.version_of(target), evenly.version_of(target)) == (1, version, 1)
    if depth == DEEP.depth:
        images = torch.randn(4, 1, 8, 8)
        with torch.no_grad():
            assert filled(init, learngene, target, lab)(images).equal(seen["aux"](images))


@pytest.mark.parametrize(("patch", "size", "classes"), [(2, 8, 10), (5, 20, 44)], ids=["digits", "glyphs"])
def test_one_stage_at_the_sizes_of_the_suites(patch, size, classes):
    """All layers share one block, and so do all of any target at first."""
    spec = VitSpec(64, depth=6, num_heads=4, patch_size=patch, img_size=size, in_chans=1, num_classes=classes)
    ancestor, targets = perturbed(spec, seed=1), [spec.replace(depth=depth) for depth in (2, 6, 12)]
    init, lab = methods.get("sws", stages=1), TinyLab(targets, teacher=ancestor, steps=1)
    learngene = init.condense(ancestor, lab)
    for target in targets:
        model = filled(init, learngene, target, lab)
        assert same(state(model.blocks[0]), state(model.blocks[target.depth - 1]))
        assert init.resolve(spec, targets).version_of(target) == 1


def test_a_block_is_a_copy_of_its_stage():
    init, learngene, lab = condensed(stages=3)
    weights = state(filled(init, learngene, SPEC.replace(depth=4), lab))
    expected = {n: t for n, t in learngene.tensors.items() if not n.startswith("stages.")}
    for block, stage in enumerate([0, 0, 1, 2]):
        part = {n: t for n, t in learngene.tensors.items() if n.startswith(f"stages.{stage}.")}
        expected |= {n.replace(f"stages.{stage}", f"blocks.{block}"): t for n, t in part.items()}
    assert same(dict(sorted(weights.items())), dict(sorted(expected.items())))


def test_copies_are_not_shared_in_the_target():
    init, learngene, lab = condensed(stages=1)
    target = filled(init, learngene, SPEC, lab)
    assert len({p.data_ptr() for p in target.parameters()}) == len(list(target.parameters()))


def test_the_auxiliary_network_is_distilled():
    _, _, lab = condensed(stages=3, alpha=0.75, temperature=2.0, train={"epochs": 7})
    assert list(lab.fits) == ["aux"] and lab.fits["aux"]["loss"] == "kd"
    distill = {"kl": 0.75, "ce": 0.25, "temperature": 2.0}
    assert lab.fits["aux"]["recipe"] == {"epochs": 7, "distill": distill}
    blocks_and_rest = len(list(build_vit(SPEC.replace(depth=3)).parameters()))
    assert lab.fits["aux"]["params"] == blocks_and_rest


def test_it_starts_from_the_labs_fresh_draw_and_is_trained():
    options = {"stages": 2, "train": {"steps": 0}}
    _, untrained, lab = condensed(**options)
    start = fresh_vit(SPEC.replace(depth=2), lab.generator("aux"))
    assert same(untrained.tensors, learngene_tensors(start, [1, 1], head=True))
    _, trained, _ = condensed(stages=2)
    assert all(not t.equal(untrained.tensors[n]) for n, t in trained.tensors.items())


def test_condensing_leaves_the_global_generator_alone():
    ancestor = perturbed(DEEP, seed=1)
    before = torch.get_rng_state()
    methods.get("sws", train={"steps": 0}).condense(ancestor, TinyLab(teacher=ancestor))
    assert torch.get_rng_state().equal(before)


def test_heads_of_the_auxiliary_network():
    four = SPEC.replace(num_heads=4)
    init = methods.get("sws")
    assert [init.family(SPEC), init.family(four)] == [2, 4]
    assert init.resolve(DEEP, [four]).aux_heads == 4
    explicit = methods.get("sws", aux_heads=1)
    assert explicit.family(SPEC) is explicit.family(four) is None
    init, learngene, lab = condensed(targets=[SPEC, four], aux_heads=1)
    assert learngene.meta["aux_heads"] == 1
    for spec in (SPEC, four):
        assert filled(init, learngene, spec, lab).blocks[0].attn.num_heads == spec.num_heads
    with pytest.raises(ValueError, match=r"head counts of all targets: \[2, 4\]"):
        methods.get("sws").resolve(DEEP, [SPEC, four])


def test_resolve_fills_in_what_is_derived():
    resolved = methods.get("sws", stages=3).resolve(DEEP, [SPEC])
    assert resolved.layers_per_stage == [2, 3, 2] and resolved.aux_heads == 2
    assert resolved.resolve(DEEP, [SPEC]) == resolved
    assert methods.get("sws", stages=2, layers_per_stage=[1, 9]).resolve(DEEP, [SPEC]).layers_per_stage == [1, 9]


def test_a_fresh_head_is_not_stored():
    _, learngene, _ = condensed(head="fresh")
    assert learngene.stored_params_head == 0


def test_the_final_norm_goes_by_either_name():
    token = DEEP.replace(class_token=True, global_pool="token")
    target = token.replace(depth=2, global_pool="avg")
    init, learngene, lab = condensed(token, targets=[target])
    assert filled(init, learngene, target, lab).fc_norm.weight.equal(learngene.tensors["norm.weight"])
