"""DCT attention: the transform by its formula, which rows of qkv it fills, the scale of the others."""

import math

import pytest
import torch

import methods.dct_attention as dct_module
from methods.registry import get
from methods.testing import check_initializer
from tests.methods.data_free_starts import SIZES, changed, started
from tests.methods.tinylab import SPEC, TinyLab

WIDE = SPEC.replace(embed_dim=128, num_heads=4)


def transform(size):
    rows = []
    for k in range(size):
        scale = math.sqrt((1 if k == 0 else 2) / size)
        rows.append([scale * math.cos(math.pi * (2 * n + 1) * k / (2 * size)) for n in range(size)])
    return torch.tensor(rows, dtype=torch.float64)


def check_parts(spec, parts):
    pair, d = started("dct_attention", spec, parts=parts), spec.embed_dim
    assert changed(pair) == {f"blocks.{block}.attn.qkv.weight" for block in range(spec.depth)}
    for block in range(spec.depth):
        weight = pair[1][f"blocks.{block}.attn.qkv.weight"].double()
        for i, part in enumerate("qkv"):
            rows = weight[i * d : (i + 1) * d]
            if part in parts:
                assert (rows - transform(d)).abs().max() < 1e-7
                assert (rows @ rows.T - torch.eye(d)).abs().max() < 1e-6
            else:
                assert 0.9 * 0.02 < rows.std() < 1.1 * 0.02 and rows.abs().max() <= 2


@pytest.mark.parametrize("parts", [["k"], ["q", "k"], ["v", "q", "k"], ["v"]])
def test_parts(parts):
    check_parts(WIDE, parts)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda size: transform(size).T.float(),
        lambda size: transform(size).float() * (size / 2) ** 0.5,
        lambda size: torch.eye(size),
        lambda size: torch.cat([transform(size)[:1] * 2**0.5, transform(size)[1:]]).float(),
    ],
    ids=["transposed", "unscaled", "identity", "first row too large"],
)
def test_another_transform_is_seen(monkeypatch, mistake):
    monkeypatch.setattr(dct_module, "dct_matrix", mistake)
    with pytest.raises(AssertionError):
        check_parts(WIDE, ["k"])


def test_other_parts_are_seen(monkeypatch):
    monkeypatch.setattr(dct_module, "PARTS", ("k", "q", "v"))
    with pytest.raises(AssertionError):
        check_parts(WIDE, ["k"])


@pytest.mark.parametrize("size", SIZES)
def test_the_contract(size):
    check_initializer(get("dct_attention", parts=["q", "v"]), SPEC, SIZES[size], TinyLab)


@pytest.mark.parametrize("parts", [[], ["x"], ["q", "q"]])
def test_what_is_impossible(parts):
    with pytest.raises(ValueError, match="parts needs one or more of q, k, v, each once"):
        get("dct_attention", parts=parts)
