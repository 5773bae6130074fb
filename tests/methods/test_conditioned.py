"""Conditioned: orthonormal queries and keys per head, identity values."""

import pytest
import torch

from methods.registry import get
from methods.testing import check_initializer
from tests.methods.data_free_starts import SIZES, changed, heads_of, started
from tests.methods.tinylab import SPEC, TinyLab


def check_rows(spec):
    pair = started("conditioned", spec)
    assert changed(pair) == {f"blocks.{block}.attn.qkv.weight" for block in range(spec.depth)}
    seen = set()
    for block in range(spec.depth):
        weight = pair[1][f"blocks.{block}.attn.qkv.weight"]
        for part in "qk":
            for head in heads_of(weight, spec, part):
                for i, row in enumerate(head):
                    for j, other in enumerate(head):
                        dot = sum(a * b for a, b in zip(row, other, strict=True))
                        assert dot == pytest.approx(float(i == j), abs=2e-6)
                seen.add(head[0][0])
        values = [row for head in heads_of(weight, spec, "v") for row in head]
        assert values == [[float(i == j) for j in range(spec.embed_dim)] for i in range(spec.embed_dim)]
    assert len(seen) == 2 * spec.depth * spec.num_heads  # no head is drawn twice


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_orthonormal_within_heads(size):
    check_rows(SIZES[size])


@pytest.mark.parametrize("mistake", [torch.nn.init.normal_, lambda head, generator: head.zero_().fill_diagonal_(1)])
def test_other_rows_are_seen(monkeypatch, mistake):
    monkeypatch.setattr(torch.nn.init, "orthogonal_", mistake)
    with pytest.raises(AssertionError):
        check_rows(SPEC)


def test_values_elsewhere_are_seen(monkeypatch):
    import methods.parts.factors as factors_module

    wrong = lambda q, k, v: torch.cat([v, q.flatten(0, 1), k.flatten(0, 1)])  # noqa: E731
    monkeypatch.setattr(factors_module, "fused", wrong)
    with pytest.raises(AssertionError):
        check_rows(SPEC)


@pytest.mark.parametrize("size", SIZES)
def test_the_contract(size):
    check_initializer(get("conditioned"), SPEC, SIZES[size], TinyLab)


def test_it_says_first_that_it_is_mostly_declared():
    assert type(get("conditioned")).__doc__.startswith("Mostly declared")
