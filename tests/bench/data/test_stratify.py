"""Each class has its share."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import stratified_fraction
from bench.data.stratify import shares

COUNTS = st.lists(st.integers(0, 200), min_size=1, max_size=12).filter(any)


@given(COUNTS, st.floats(0.001, 1))
def test_shares_are_proportional_with_at_least_one_each(counts, fraction):
    taken = shares(counts, fraction)
    for n, t in zip(counts, taken, strict=True):
        assert t <= n and t >= min(n, 1)
        assert t == min(n, 1) or abs(t - fraction * n) <= 1
    minima = sum(min(n, max(1, int(fraction * n))) for n in counts)
    assert sum(taken) == max(round(fraction * sum(counts)), minima)


@given(COUNTS, st.floats(0.001, 1), st.integers(0, 5))
@settings(max_examples=30)
def test_indices_have_the_shares(counts, fraction, seed):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)).flip(0)
    chosen = stratified_fraction(labels, fraction, seed)
    assert torch.equal(chosen, chosen.unique())
    counted = torch.bincount(labels).tolist()
    assert torch.bincount(labels[chosen], minlength=len(counted)).tolist() == shares(counted, fraction)


def test_seeds_differ_and_small_fractions_are_within_large_ones():
    labels = torch.arange(400) % 4
    small, large = (set(stratified_fraction(labels, f, 0).tolist()) for f in (0.1, 0.3))
    assert small < large
    assert small != set(stratified_fraction(labels, 0.1, 1).tolist())
    assert torch.equal(stratified_fraction(labels, 1.0, 3), torch.arange(400))


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_impossible_fraction(fraction):
    with pytest.raises(ValueError, match="fraction must be"):
        shares([3], fraction)
