"""Seeds of purposes, and the counter-based generator: a pure function of its coordinates, and random enough."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.randomness import derive_seed, keys, uniform

WORD = 2**64
INT = st.integers(-(2**70), 2**70)
INDEX = st.integers(0, 2**62)


def splitmix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def reference(seed, epoch, index, draws):
    """The same in Python's unbounded integers."""
    gold = 0x9E3779B97F4A7C15
    key = splitmix((seed + gold) % WORD)
    key = splitmix((key + (epoch + 1) * gold) % WORD)
    key = splitmix((key + (index + 1) * gold) % WORD)
    return key, [(splitmix((key + d * gold) % WORD) >> 11) / 2**53 for d in range(1, draws + 1)]


def test_seeds_of_purposes():
    assert derive_seed(0, "order", 1) == 1860338126330257371
    seeds = {derive_seed(seed, what) for seed in range(50) for what in "ab"}
    assert len(seeds) == 100 and all(0 <= seed < 2**63 for seed in seeds)


@given(INT, INT, st.lists(INDEX, min_size=1, max_size=5), st.integers(1, 4))
@settings(max_examples=60)
def test_equals_splitmix64_in_exact_integers(seed, epoch, indices, draws):
    got_keys = keys(seed, epoch, torch.tensor(indices))
    got = uniform(seed, epoch, torch.tensor(indices), draws)
    assert got.shape == (len(indices), draws) and got.dtype == torch.float64
    assert ((got >= 0) & (got < 1)).all()
    for i, index in enumerate(indices):
        key, numbers = reference(seed, epoch, index, draws)
        assert got_keys[i].item() % WORD == key
        assert got[i].tolist() == numbers


def test_known_answer_of_splitmix64():
    assert splitmix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # first output of the published generator from state 0


@given(st.permutations(range(20)), st.integers(1, 19))
@settings(max_examples=20)
def test_order_and_batch_do_not_matter(order, cut):
    order = torch.tensor(order)
    whole = uniform(1, 2, torch.arange(20), 3)
    assert torch.equal(torch.cat([uniform(1, 2, part, 3) for part in (order[:cut], order[cut:])]), whole[order])


def test_uniform_and_uncorrelated():
    draws = uniform(0, 0, torch.arange(20_000), 3)
    others = [uniform(1, 0, torch.arange(20_000), 3), uniform(0, 1, torch.arange(20_000), 3), draws.roll(1, 0)]
    for column in range(3):
        assert stats.kstest(draws[:, column].numpy(), "uniform").pvalue > 1e-3
    columns = torch.cat([draws, *others], 1).T
    correlation = torch.corrcoef(columns) - torch.eye(len(columns))
    assert correlation.abs().max() < 0.035  # 5 standard deviations
