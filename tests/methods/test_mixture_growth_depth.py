"""Depth growth: which blocks are the seed's, and what the new ones are."""

import json
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import methods
from methods.base import Learngene
from methods.parts.growth import block_sources, new_blocks
from methods.testing import check_initializer, same
from methods.vit import build_vit
from tests.methods.mixture_seeds import ROLES, coefficients_of, condensed, grown, weight
from tests.methods.tinylab import SPEC, TinyLab

SEED_DEPTH = 3


def block_state(model, block):
    return model.blocks[block].state_dict()


def vectors(model, block):
    return {name: t for name, t in block_state(model, block).items() if t.ndim == 1}


@pytest.fixture(scope="module", params=[1, 2, 3], ids="group{}".format)
def trained(request):
    """Initializer, learngene, lab and the dense state of the trained seed."""
    init, learngene, lab = condensed(6, seed_depth=SEED_DEPTH, group_size=request.param)
    dense = build_vit(SPEC.replace(depth=SEED_DEPTH))
    dense.load_state_dict(lab.modules["seed 0"].materialize())
    return init, learngene, lab, dense


def test_a_target_of_the_seeds_size_is_the_seed(trained):
    init, learngene, lab, seed = trained
    target = grown(init, learngene, lab, SEED_DEPTH)
    assert same(target.state_dict(), seed.state_dict())
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(target.eval()(images), lab.modules["seed 0"](images))


@pytest.mark.parametrize("depth", [2, 4, 6, 12])
def test_the_seeds_blocks_and_everything_outside_of_blocks_are_kept_bit_for_bit(trained, depth):
    init, learngene, lab, seed = trained
    target = grown(init, learngene, lab, depth)
    sources = block_sources(depth, SEED_DEPTH)
    for block, source in enumerate(sources):
        assert same(block_state(target, block), block_state(seed, source)) == (block not in new_blocks(sources))
        assert same(vectors(target, block), vectors(seed, source))  # norms and biases, also of new blocks
    outside = [{n: t for n, t in m.state_dict().items() if not n.startswith("blocks.")} for m in (target, seed)]
    assert same(*outside) and "head.weight" in outside[0]


@pytest.mark.parametrize("depth", [4, 6])
def test_new_blocks_recombine_the_templates_of_their_bank(trained, depth):
    """Orthogonal to 1e-6 to all that use the bank, with the mean norm of the seed's."""
    init, learngene, lab, _ = trained
    target, sources = grown(init, learngene, lab, depth), block_sources(depth, SEED_DEPTH)
    for role in ROLES:
        templates, own = learngene.tensors[f"templates.{role}"][0], learngene.tensors[f"coefficients.{role}"][0]
        in_use = {bank: list(rows.double()) for bank, rows in enumerate(own.split(init.group_size))}
        for block in new_blocks(sources):
            bank = sources[block] // init.group_size
            found, rows = coefficients_of(weight(target, block, role), templates[bank]), torch.stack(in_use[bank])
            assert found.norm().item() == pytest.approx(rows.norm(dim=1).mean().item(), rel=1e-5)
            if len(rows) < 4:
                assert (rows @ found).abs().max() < 1e-6
            else:
                assert (rows @ found).norm() <= torch.linalg.svdvals(rows)[-1] * found.norm() + 1e-5
            in_use[bank].append(found)


def test_it_says_where_no_direction_is_orthogonal_and_only_there():
    init, learngene, lab = condensed(4, 6, 12, seed_depth=SEED_DEPTH)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for depth in (2, 3, 4, 6):
            init.initialize(build_vit(SPEC.replace(depth=depth)), learngene, lab)
    with pytest.warns(UserWarning, match="24 new coefficient vectors take the least-covered direction"):
        init.initialize(build_vit(SPEC.replace(depth=12)), learngene, lab)  # 4 in each of 6 roles


@pytest.mark.parametrize("mode", ["copy", "zero", "random"])
def test_coefficient_modes(mode):
    init, learngene, lab = condensed(4, coefficients=mode, noise_scale=0.0 if mode == "copy" else 2.0)
    target = grown(init, learngene, lab, 4)  # seed blocks 0, 1; blocks 1 and 3 are new
    for role in ROLES:
        for block in (1, 3):
            new = weight(target, block, role)
            if mode == "copy":
                torch.testing.assert_close(new, weight(target, block - 1, role), atol=1e-7, rtol=1e-5)
            elif mode == "zero":
                assert not new.any()
            else:
                found = coefficients_of(new, learngene.tensors[f"templates.{role}"][0, 0])
                mean = learngene.tensors[f"coefficients.{role}"][0].norm(dim=1).mean()
                assert (found > 0).all() and (found < 2.01 * mean).all()


def test_the_seed_is_half_the_deepest_target_unless_it_is_given():
    specs = [SPEC.replace(depth=depth) for depth in (2, 7, 4)]
    init = methods.get("mixture_growth", templates=4).resolve(None, specs)
    assert (init.seed_depth, init.norm) == (4, "mean")
    assert init.resolve(None, specs) == init
    assert methods.get("mixture_growth", seed_depth=2).resolve(None, specs).seed_depth == 2
    _, learngene, lab = condensed(2, 7, 4)
    assert learngene.meta["seed"]["depth"] == 4
    assert learngene.tensors["coefficients.q"].shape == (1, 4, 4)
    assert list(lab.fits) == ["seed 0"] and lab.fits["seed 0"]["loss"] == "ce"


def test_one_learngene_serves_all_depths_of_a_width():
    init = methods.get("mixture_growth")
    sizes = {width: SPEC.replace(embed_dim=width, num_heads=2) for width in (32, 64)}
    assert init.family(sizes[32]) == init.family(sizes[32].replace(depth=9)) != init.family(sizes[64])
    json.dumps(init.family(sizes[32]))
    hash(init.family(sizes[32]))
    with pytest.raises(ValueError, match="differ in depth only"):
        init.resolve(None, list(sizes.values()))


@settings(max_examples=12)
@given(
    heads=st.integers(1, 3), depth=st.integers(1, 4), templates=st.integers(1, 5), group_size=st.integers(1, 4),
    class_token=st.booleans(), ratio=st.sampled_from([4.0, 2.5, 0.7]), seed_depth=st.integers(1, 4),
)  # fmt: skip
def test_sizes(heads, depth, templates, group_size, class_token, ratio, seed_depth):
    """Any size grows, and what is stored is templates, coefficients and the seed's other tensors."""
    spec = SPEC.replace(embed_dim=4 * heads, num_heads=heads, class_token=class_token, mlp_ratio=ratio)
    options = {"templates": templates, "group_size": group_size, "seed_depth": seed_depth}
    init, learngene, lab = condensed(depth, spec=spec, steps=0, **options)
    assert sum(p.numel() for p in grown(init, learngene, lab, depth, spec).parameters()) > 0
    d, hidden, banks = spec.embed_dim, spec.hidden_dim, -(-seed_depth // group_size)
    mixed = banks * templates * (4 * d * d + 2 * d * hidden) + 6 * seed_depth * templates
    vectors_of_a_block = 3 * d + d + hidden + d + 4 * d  # biases of qkv, proj, fc1, fc2; two norms
    outside = 16 * d + d + spec.tokens * d + class_token * d + 2 * d
    assert learngene.stored_params == mixed + seed_depth * vectors_of_a_block + outside
    assert learngene.stored_params_head == 5 * d + 5


@pytest.mark.parametrize("options", [{}, {"templates": 1}, {"group_size": 1, "coefficients": "copy"}, {"head": "fresh"},
                                     {"coefficients": "random", "norm": "unit"}])  # fmt: skip
@pytest.mark.filterwarnings("ignore:mixture_growth")
def test_the_contract(options):
    check_initializer(methods.get("mixture_growth", **options), SPEC, SPEC.replace(depth=5), TinyLab)


def test_without_a_lab_the_saved_learngene_gives_the_same_target_but_for_the_head(tmp_path):
    """One direction is left by two blocks of three templates: none that the lab's seed chooses."""
    init, learngene, lab = condensed(3, templates=3)
    learngene.save(tmp_path / "learngene.safetensors")
    loaded = Learngene.load(tmp_path / "learngene.safetensors")
    spec = SPEC.replace(depth=3)
    with_lab, without, fresh = grown(init, learngene, lab, 3), build_vit(spec), build_vit(spec)
    without.load_state_dict(fresh.state_dict())
    init.initialize(without, loaded, None)
    for name, tensor in without.state_dict().items():
        assert tensor.equal((fresh if name.startswith("head.") else with_lab).state_dict()[name])


def test_what_it_cannot_do_is_said():
    init, learngene, lab = condensed(4)
    with pytest.raises(ValueError, match="condense needs a lab"):
        init.condense(None, None)
    with pytest.raises(ValueError, match="cannot change embed_dim: grown seed 32, target 64"):
        init.initialize(build_vit(SPEC.replace(embed_dim=64)), learngene, lab)
    for options, message in [
        ({"templates": 0}, "templates must be at least 1, found 0"),
        ({"group_size": 0}, "group_size must be at least 1"),
        ({"seed_depth": 0}, "seed_depth must be at least 1"),
        ({"noise_scale": -1.0}, "noise_scale must not be negative"),
        ({"grow": "width", "seed_depth": 2}, "seed_depth is for grow: depth"),
        ({"reference": True}, "reference is for grow: width"),
        ({"coefficients": "best"}, "coefficients must be one of orthogonal, copy, random, zero; found 'best'"),
        ({"grow": "both"}, "grow must be one of depth, width; found 'both'"),
    ]:
        with pytest.raises(ValueError, match=message):
            methods.get("mixture_growth", **options)
