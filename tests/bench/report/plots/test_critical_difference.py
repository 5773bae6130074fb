"""Which labels a diagram of ranks joins."""

from bench.report.analysis.ranking import Ranking
from bench.report.plots.critical_difference import groups


def test_groups_of_the_critical_difference():
    import numpy as np

    # 1.0 - 1.8 are closer than 1, so are 1.8 - 2.5; 4.0 stands alone
    ranks = np.array([2.5, 1.0, 4.0, 1.8])
    assert groups(Ranking(ranks, 5, 0.01, 1.0)) == [(1.0, 1.8), (1.8, 2.5)]
    assert groups(Ranking(ranks, 5, 0.2, 1.0)) == [(1.0, 4.0)]  # Friedman's test allows no claim at all
