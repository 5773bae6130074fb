"""How scalers carry over to other depths and widths."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts.templates import MATRICES, layout
from methods.parts.wave_model import at_depth, carry_scalers
from methods.testing import check_initializer
from tests.methods.small_waves import condensed, filled, images
from tests.methods.tinylab import SPEC, TinyLab

ids = {"narrow": SPEC.replace(embed_dim=16, num_heads=1), "wide": SPEC.replace(embed_dim=48, num_heads=3)}


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 20))
def test_depth_is_interpolated_linearly(depth, new):
    s = torch.randn(depth, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = at_depth(s, new)
    assert out.shape == (new, 2, 3) and torch.equal(out[0], s[0])
    if new > 1:
        assert torch.equal(out[-1], s[-1])
        line = at_depth(torch.linspace(0, 1, depth, dtype=torch.float64) if depth > 1 else torch.zeros(1), new)
        torch.testing.assert_close(line.double(), torch.linspace(0, depth > 1, new, dtype=torch.float64))
    assert torch.equal(at_depth(s, depth), s)


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(1, 9))
def test_width_is_tiled_and_replicas_share_what_they_stand_for(k, new):
    sources, targets = (layout(SPEC.replace(embed_dim=2 * n), dict.fromkeys(MATRICES, 2), 2) for n in (k, new))
    for source, target in zip(sources, targets, strict=True):
        s = torch.randn(source.scaler_shape, generator=torch.Generator().manual_seed(1))
        out = carry_scalers(s, source, target)
        assert out.shape == target.scaler_shape
        columns = source.grid[1]
        for j in range(min(columns, target.grid[1])):  # the replicas of a column add up to it
            for section in range(source.sections):
                row = section * source.grid[0] // source.sections, section * target.grid[0] // target.sections
                torch.testing.assert_close(out[:, :, row[1], j::columns].sum(-1), s[:, :, row[0], j])


def test_q_k_and_v_stay_apart():
    source, target = (layout(SPEC.replace(embed_dim=n), {"qkv": 1}, 16)[0] for n in (32, 64))
    s = (
        torch.arange(6.0)[None, None, :, None]
        .expand(source.scaler_shape)
        .repeat(SPEC.depth // len(source.tensors), 1, 1, 1)
    )
    assert carry_scalers(s, source, target)[0, 0, :, 0].mul(2).tolist() == [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5]


def test_a_target_of_the_ancestors_size_is_the_auxiliary_network():
    wave, learngene, lab = condensed(widths="many", scaler_steps=0)
    target, _ = filled(wave, learngene, SPEC)
    assert torch.equal(target(images()), lab.modules["aux"](images()))


@pytest.mark.parametrize("factor", [2, 3])
def test_a_multiple_of_the_width_computes_the_same(factor):
    spec = SPEC.replace(embed_dim=32 * factor, num_heads=2 * factor)
    wave, learngene, lab = condensed(targets=(spec,), scaler_steps=0, scaler_noise=0.0)
    target, _ = filled(wave, learngene, spec)
    torch.testing.assert_close(target(images()), lab.modules["aux"](images()))


def test_noise_sets_replicas_apart_and_touches_nothing_else():
    spec = SPEC.replace(embed_dim=64, num_heads=4)
    wave, learngene, _ = condensed(targets=(spec,), scaler_steps=0, scaler_noise=0.1)
    fc1 = filled(wave, learngene, spec)[0].blocks[0].mlp.fc1.weight
    assert not torch.allclose(fc1[:, :32], fc1[:, 32:], atol=1e-4)
    assert (fc1[:, :32] - fc1[:, 32:]).std() < 0.3 * fc1.std()
    quiet, _, _ = condensed(targets=(spec,), scaler_steps=0, scaler_noise=0.0)
    for other in (SPEC, ids["narrow"]):
        with_noise, without = (filled(w, learngene, other)[0](images()) for w in (wave, quiet))
        assert torch.equal(with_noise, without)


def test_a_narrower_target_is_cut_out():
    wave, learngene, lab = condensed(targets=(ids["narrow"],), scaler_steps=0)
    small, big = filled(wave, learngene, ids["narrow"])[0].state_dict(), lab.modules["aux"].materialize()
    assert torch.equal(small["blocks.2.attn.proj.weight"], big["blocks.2.attn.proj.weight"][:16, :16])
    assert torch.equal(small["blocks.2.attn.qkv.bias"], big["blocks.2.attn.qkv.bias"].view(3, 32)[:, :16].flatten())
    assert torch.equal(small["pos_embed"], big["pos_embed"][..., :16])


@pytest.mark.parametrize("size", ids)
@pytest.mark.parametrize("options", [{}, {"scalers": "random", "kron_order": "interleave"}])
def test_the_contract_for_other_widths(size, options):
    import methods

    wave = methods.get("wave", template_size=16, **options)
    origins = check_initializer(wave, SPEC, ids[size].replace(depth=2), TinyLab)
    assert set(origins.values()) == {"given"}


def test_one_learngene_serves_every_width():
    wave, learngene, _ = condensed(targets=(SPEC, *ids.values()))
    for spec in ids.values():
        target, _ = filled(wave, learngene, spec.replace(depth=6))
        assert target(images()).isfinite().all() and target.embed_dim == spec.embed_dim
