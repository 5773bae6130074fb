"""Mimetic: the products of every block and head, and what is left as it was."""

import numpy
import pytest
import torch

import methods.parts.factors as factors_module
from methods.registry import get
from methods.testing import check_initializer
from tests.methods.data_free_starts import SIZES, changed, heads_of, started
from tests.methods.parts.test_factors import product
from tests.methods.tinylab import SPEC, TinyLab


def check_products(monkeypatch, spec, **options):
    """Each head's product is the best of its rank for the noise that was drawn, each block's is the transpose."""
    noises, draw = [], factors_module.drawn_noise
    with monkeypatch.context() as patch:
        patch.setattr(factors_module, "drawn_noise", lambda *s, **k: noises.append(draw(*s, **k)) or noises[-1])
        pair = started("mimetic", spec, **options)
    o = {"alpha_qk": 0.7, "beta_qk": 0.7, "alpha_v": 0.4, "beta_v": 0.4} | options
    d, after = spec.embed_dim, pair[1]
    assert len(noises) == 2 * spec.depth
    for block in range(spec.depth):
        weight, projection = (after[f"blocks.{block}.attn.{n}.weight"] for n in ("qkv", "proj"))
        query, key = heads_of(weight, spec, "q"), heads_of(weight, spec, "k")
        for head, z in enumerate(noises[2 * block].double().tolist()):
            wanted = [[o["alpha_qk"] * z[i][j] + o["beta_qk"] * (i == j) for j in range(d)] for i in range(d)]
            u, s, vh = numpy.linalg.svd(numpy.array(wanted))
            c = spec.head_dim
            best = (u[:, :c] * s[:c]) @ vh[:c]
            # in float32 the cut between two near singular values is not exact; test_factors holds it in float64
            assert numpy.allclose(product(list(zip(*query[head], strict=True)), key[head]), best, atol=2e-4)
            assert numpy.allclose(numpy.square(query[head]).sum(1), s[:c], atol=1e-4)
        z = noises[2 * block + 1].double().tolist()
        values = [row for head in heads_of(weight, spec, "v") for row in head]
        wanted = [[o["alpha_v"] * z[j][i] - o["beta_v"] * (i == j) for j in range(d)] for i in range(d)]
        assert numpy.allclose(product(projection.double().tolist(), values), wanted, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_products(monkeypatch, size):
    check_products(monkeypatch, SIZES[size])


def test_products_with_other_constants(monkeypatch):
    check_products(monkeypatch, SPEC, alpha_qk=0.3, beta_qk=0.9, alpha_v=0.2, beta_v=0.6)


MISTAKES = {
    "values and projection are not transposed": ("value_projection", lambda product: factors_module.factors(product)),
    "the small values are kept": (
        "query_key",
        lambda products, c: tuple(w.flip(1)[:, :c] for w in QUERY_KEY(products, products.shape[-1])),
    ),
    "the values are not rooted": (
        "query_key",
        lambda products, c: tuple(w / w.norm(dim=-1, keepdim=True) for w in QUERY_KEY(products, c)),
    ),
    "the identity has the wrong sign": ("noisy_identity", lambda z, a, b: a * z + abs(b) * torch.eye(z.shape[-1])),
    "q and k are exchanged": ("fused", lambda q, k, v: torch.cat([k.flatten(0, 1), q.flatten(0, 1), v])),
    "heads are interleaved": (
        "fused",
        lambda q, k, v: torch.cat([*(w.transpose(0, 1).flatten(0, 1) for w in (q, k)), v]),
    ),
}
QUERY_KEY = factors_module.query_key


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(monkeypatch, mistake):
    monkeypatch.setattr(factors_module, *MISTAKES[mistake])
    with pytest.raises(AssertionError):
        check_products(monkeypatch, SPEC)


@pytest.mark.parametrize("size", SIZES)
def test_only_attention_weights_change(size):
    spec = SIZES[size]
    expected = {f"blocks.{b}.attn.{n}.weight" for b in range(spec.depth) for n in ("qkv", "proj")}
    assert changed(started("mimetic", spec)) == expected
    assert changed(started("mimetic", spec, positions=2.0)) == expected | {"pos_embed"}


def test_positions_are_scaled():
    before, after = started("mimetic", positions=3.0)
    assert torch.equal(after["pos_embed"], 3 * before["pos_embed"])


def test_the_start_follows_the_labs_seed_alone():
    name = "blocks.1.attn.qkv.weight"
    one, same, other = (started("mimetic", seed=s, target_seed=t)[1][name] for s, t in ((0, 2), (0, 3), (1, 2)))
    assert one.equal(same) and not one.equal(other)
    assert started("mimetic", lab=False)[1][name].equal(started("mimetic", lab=False, target_seed=4)[1][name])
    assert not one[: SPEC.head_dim].equal(one[SPEC.head_dim : 2 * SPEC.head_dim])


@pytest.mark.parametrize("options", [{"noise": "normal"}, {"positions": 5.0}, {"head": "fresh"}])
def test_the_contract(options):
    for spec in SIZES.values():
        check_initializer(get("mimetic", **options), SPEC, spec, TinyLab)


def test_what_is_impossible():
    with pytest.raises(ValueError, match="noise must be one of uniform, normal; found 'cauchy'"):
        get("mimetic", noise="cauchy")
