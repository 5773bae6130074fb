"""Factors of chosen products: against numpy's decompositions and loops in float64."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts.factors import drawn_noise, factors, fused, noisy_identity, query_key, value_projection


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=draw(seed), dtype=torch.float64)


def product(a, b):
    """a @ b of two lists of rows, by loops."""
    return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(2, 7), st.data())
def test_queries_times_keys_are_the_best_of_their_rank(heads, width, data):
    rank = data.draw(st.integers(1, width))
    wanted = noise(heads, width, width, seed=width)
    query, key = query_key(wanted, rank)
    assert query.shape == key.shape == (heads, rank, width) and query.dtype == torch.float64
    for head in range(heads):
        u, s, vh = numpy.linalg.svd(wanted[head].numpy())
        best = [[sum(u[i, k] * s[k] * vh[k, j] for k in range(rank)) for j in range(width)] for i in range(width)]
        actual = product(query[head].T.tolist(), key[head].tolist())
        assert numpy.allclose(actual, best, atol=1e-9)
        for factor in (query[head], key[head]):  # each takes the root of every singular value
            norms = [sum(x * x for x in row) for row in factor.tolist()]
            assert numpy.allclose(norms, s[:rank], atol=1e-9)


def test_projection_times_values_is_the_transpose():
    wanted = noise(6, 6)
    value, projection = value_projection(wanted)
    assert numpy.allclose(product(projection.tolist(), value.tolist()), wanted.T.tolist(), atol=1e-10)
    assert numpy.allclose(value.square().sum(1), projection.square().sum(0), atol=1e-9)


def test_a_noisy_identity():
    z = noise(2, 3, 3)
    for i in range(3):
        for j in range(3):
            expected = 0.5 * z[1, i, j].item() - (2.0 if i == j else 0.0)
            assert noisy_identity(z, 0.5, -2.0)[1, i, j].item() == pytest.approx(expected, abs=1e-15)


def test_factors_multiply_to_the_matrix_and_keep_the_dtype():
    single = torch.randn(2, 5, 5, generator=draw())
    left, right = factors(single)
    assert left.dtype == right.dtype == torch.float32
    torch.testing.assert_close(left @ right, single, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_the_scale_of_the_noise(kind):
    z = drawn_noise(40, 50, 50, kind=kind, draw=draw(3))
    assert abs(z.mean()) < 2e-3 and 0.98 < z.var() * 50 < 1.02
    largest = (3 / 50) ** 0.5
    assert (z.abs().max() <= largest) == (kind == "uniform")
    assert z.abs().max() > 0.99 * largest


def test_the_layout_of_the_fused_weight():
    query, key, value = (torch.full((2, 3, 6), i) for i in (1.0, 2.0)), None, torch.full((6, 6), 3.0)
    query, key = query
    query[1] = 1.5
    weight = fused(query, key, value)
    assert weight.shape == (18, 6)
    assert weight[:, 0].tolist() == [1.0] * 3 + [1.5] * 3 + [2.0] * 6 + [3.0] * 6
