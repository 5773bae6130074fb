"""Ranks, Friedman's test and Nemenyi's critical difference, against scipy.stats, which the report does not import."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from bench.report.analysis.ranking import FEWEST, RANGES, friedman, quantile, ranking


def test_ranking_by_hand_and_friedman_by_scipy():
    scores = np.array([[50, 70, 90, 90], [52, 71, 92, 91], [55, 80, 79, 95], [60, 60, 60, 99]])
    scores = np.tile(scores, (3, 1))
    result = ranking(scores)
    # ranks per cell: 4 3 1.5 1.5 | 4 3 1 2 | 4 2 3 1 | 3 3 3 1
    assert result.ranks.tolist() == [3.75, 2.75, 2.125, 1.375]
    assert result.p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert result.cells == 12
    few = ranking(scores[:9])  # the ranks are what they are, and no test is made of them
    assert len(few.ranks) == 4
    assert np.isnan([few.p, few.critical_difference]).all()


def test_means_that_are_equal_but_for_rounding_share_their_rank():
    sums = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.0]
    assert sums[0] != sums[1]
    assert ranking(np.array([sums, sums])).ranks.tolist() == [1.5, 1.5, 3.0]


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_uses_nemenyis_quantiles(k, q):
    """The two-tailed Nemenyi table at 0.05 that Demsar (2006) prints."""
    scores = np.random.default_rng(0).normal(size=(14, k))
    assert ranking(scores).critical_difference == pytest.approx(q * (k * (k + 1) / 84) ** 0.5, rel=5e-4)


def test_no_ranking_of_two_methods_or_one_cell():
    assert ranking(np.ones((5, 2))) is None
    assert ranking(np.ones((1, 5))) is None


@pytest.mark.parametrize("seed", range(8))
def test_friedmans_test_is_scipys_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    cells = np.round(rng.random((rng.integers(10, 80), rng.integers(3, 40))), 1 + seed % 3)  # with ties
    cells[:, 0] = np.round(cells[:, 0] + 0.1 * (seed % 4), 9)
    found = ranking(cells)
    assert found.p == stats.friedmanchisquare(*cells.T).pvalue
    assert found.ranks.tolist() == stats.rankdata(-cells, axis=1).mean(axis=0).tolist()


def test_where_all_are_tied_nothing_differs():
    assert friedman(np.full((12, 4), 2.5)) == 1.0
    assert ranking(np.full((12, 4), 90.0)).p == 1.0


def test_quantiles_of_the_range_are_scipys():
    k = np.arange(FEWEST, FEWEST + len(RANGES))
    assert k[[0, -1]].tolist() == [3, 100]
    assert list(RANGES) == pytest.approx(stats.studentized_range.ppf(0.95, k, np.inf).tolist(), rel=1e-10)
    assert list(map(quantile, k.tolist())) == list(RANGES)
    assert quantile(101) == pytest.approx(stats.studentized_range.ppf(0.95, 101, np.inf), rel=1e-10)


def test_a_report_does_without_scipy_stats():
    code = "import sys; from bench.report.analysis import ranking as r, statistics as s; s.paired([[1.0], [2.0]], "
    code += "[[3.0], [5.0]]); r.ranking([[1, 2, 3], [2, 3, 4]] * 6); print('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
