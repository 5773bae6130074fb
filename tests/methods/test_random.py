"""Random initialisation: timm's three modes, from the run's seed."""

import pytest
import torch

import methods
from methods.testing import check_initializer, same, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab


def filled(scheme, lab, residual="plain"):
    torch.manual_seed(3)
    target = build_vit(SPEC)
    init = methods.get("random", scheme=scheme, residual=residual)
    init.initialize(target, init.condense(None, lab), lab)
    return state(target)


@pytest.mark.parametrize("lab", [None, TinyLab()])
def test_timm_leaves_the_target_as_it_arrives(lab):
    got = filled("timm", lab)
    torch.manual_seed(3)
    assert same(got, state(build_vit(SPEC)))


@pytest.mark.parametrize("scheme", ["jax", "moco"])
def test_a_scheme_is_what_timm_builds_from_the_labs_generator(scheme):
    lab = TinyLab(seed=7)
    torch.set_rng_state(lab.generator("random").get_state())
    expected = state(build_vit(SPEC, weight_init=scheme))
    assert same(filled(scheme, lab), expected)
    assert not same(filled(scheme, TinyLab(seed=8)), expected)
    assert not same(filled(scheme, lab), filled("timm", lab))


def test_jax_sets_the_head_to_zero():
    assert not filled("jax", TinyLab())["head.weight"].any()


@pytest.mark.parametrize("scheme", ["timm", "jax", "moco"])
def test_the_global_generator_is_left_alone_where_there_is_a_lab(scheme):
    target, init = build_vit(SPEC), methods.get("random", scheme=scheme)
    before = torch.get_rng_state()
    init.initialize(target, init.condense(None, None), TinyLab())
    assert torch.get_rng_state().equal(before)


def test_without_a_lab_a_scheme_follows_torchs_seed():
    torch.manual_seed(4)
    targets = [build_vit(SPEC) for _ in range(2)]
    for target in targets:
        torch.manual_seed(9)
        methods.get("random", scheme="moco").initialize(target, methods.Learngene({}), None)
    assert same(state(targets[0]), state(targets[1]))


def test_nothing_is_stored():
    learngene = methods.get("random").condense(None, None)
    assert (learngene.stored_params, learngene.stored_params_head, learngene.stored_bytes) == (0, 0, 0)


def check_scaled(scheme):
    """Bit for bit what timm builds with `fix_init`, and by the formula: block l, from 1, divided by sqrt(2 l)."""
    lab = TinyLab(seed=7)
    if scheme == "timm":
        torch.manual_seed(3)
    else:
        torch.set_rng_state(lab.generator("random").get_state())
    expected = state(build_vit(SPEC, weight_init="" if scheme == "timm" else scheme, fix_init=True))
    plain, scaled = filled(scheme, lab), filled(scheme, lab, "scaled")
    assert same(scaled, expected)
    for name, tensor in plain.items():
        if name.endswith(("attn.proj.weight", "mlp.fc2.weight")):
            l = int(name.split(".")[1]) + 1  # noqa: E741
            torch.testing.assert_close(scaled[name], tensor / (2 * l) ** 0.5)
        else:
            assert scaled[name].equal(tensor)


@pytest.mark.parametrize("scheme", ["timm", "jax", "moco"])
def test_the_scaled_residual_is_timms(scheme):
    check_scaled(scheme)


@pytest.mark.parametrize("mistake", [lambda name: 2.0 if "fc2" in name else None, lambda name: None])
def test_another_factor_is_seen(monkeypatch, mistake):
    monkeypatch.setattr("methods.random.residual_factor", mistake)
    with pytest.raises(AssertionError):
        check_scaled("timm")


@pytest.mark.parametrize("scheme", ["timm", "jax"])
def test_the_contract_of_the_scaled_residual(scheme):
    check_initializer(methods.get("random", scheme=scheme, residual="scaled"), SPEC, SPEC, TinyLab)


def test_an_unknown_scheme():
    with pytest.raises(ValueError, match="residual must be one of plain, scaled; found 'other'"):
        methods.get("random", residual="other")
    with pytest.raises(ValueError, match="scheme must be one of timm, jax, moco; found 'xavier'"):
        methods.get("random", scheme="xavier")
