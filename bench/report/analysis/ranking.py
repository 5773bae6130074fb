"""Ranks of methods over cells: Friedman's test and Nemenyi's critical difference, without importing scipy.stats, which
takes a third of a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.statistics import LEVEL

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FEW_CELLS = 10  # with fewer, Friedman's chi-squared and Nemenyi's difference say nothing reliable about ranks
FEWEST = 3  # methods

# 95% quantiles of the range of k standard normal variables, k = 3..100: scipy.stats.studentized_range.ppf(0.95, k, inf)
RANGES = (
    3.314493155398122, 3.6331595749026278, 3.857655510378623, 4.030092053180576, 4.169554155006547, 4.286309409349043,
    4.38650911549537, 4.474124221725907, 4.551863584065974, 4.621655471868518, 4.684919847313499, 4.7427317076846975,
    4.795923860431186, 4.845154183957343, 4.890951125576789, 4.933745358126922, 4.973892348748306, 5.0116887941184425,
    5.0473848150087655, 5.081193155799909, 5.1132962282719765, 5.143851577247147, 5.17299617312959, 5.200849820280358,
    5.227517890554401, 5.25309353580552, 5.27765949383823, 5.30128957403117, 5.324049888290209, 5.345999877836653,
    5.367193175047121, 5.387678331063073, 5.4074994334281214, 5.426696633056341, 5.445306596002232, 5.463362892514628,
    5.480896333509614, 5.4979352627407465, 5.5145058114663055, 5.530632121228646, 5.546336539405832, 5.561639791421669,
    5.576561132869737, 5.591118484290078, 5.605328550912587, 5.619206929329286, 5.63276820276599, 5.646026026380527,
    5.65899320381105, 5.6716817560264055, 5.684102983386625, 5.696267521699102, 5.708185392951983, 5.7198660513184985,
    5.731318424949656, 5.742550954008434, 5.753571625342619, 5.764388004145548, 5.7750072629123945, 5.785436207963822,
    5.795681303777319, 5.805748695339599, 5.815644228709457, 5.825373469959842, 5.834941722649524, 5.844354043958875,
    5.853615259610169, 5.862729977680204, 5.8717026014022595, 5.880537341044561, 5.889238224943818, 5.897809109764721,
    5.906253690049516, 5.914575507115471, 5.9227779573530706, 5.930864299972216, 5.938837664240136, 5.946701056250147,
    5.954457365257337, 5.962109369613741, 5.969659742333142, 5.977111056312571, 5.984465789235666, 5.991726328180886,
    5.998894973955292, 6.005973945173567, 6.012965382099713, 6.01987135026794, 6.026693843897607, 6.033434789116209,
    6.040096047003027, 6.04667941646545, 6.053186636958614, 6.05961939105864, 6.065979306898774, 6.072267960477003,
    6.0784868778431695, 6.084637537173171,
)  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """Ranks of methods over cells (1 = best), Friedman's test and Nemenyi's critical difference at 95%, which are NaN
    below FEW_CELLS cells."""

    ranks: NDArray  # [methods], averages over cells
    cells: int
    p: float
    critical_difference: float


def ranking(scores: ArrayLike) -> Ranking | None:
    """Return ranking of [cells, methods], higher is better; None with fewer than 3 methods or 2 cells (no test is
    possible).

    Source: Demsar, JMLR 7 (2006): CD = q sqrt(k (k + 1) / 6N), q the studentized range over sqrt(2).
    """
    import pandas as pd

    scores = np.round(np.asarray(scores, dtype=float), 9)  # equal means tie, whatever the order they were summed in
    cells, k = scores.shape
    if cells < 2 or k < FEWEST:
        return None
    each = pd.DataFrame(scores).rank(axis=1, ascending=False).to_numpy()
    ranks = each.mean(axis=0)
    if cells < FEW_CELLS:
        return Ranking(ranks, cells, np.nan, np.nan)
    q = quantile(k) / np.sqrt(2)
    return Ranking(ranks, cells, friedman(each), float(q * np.sqrt(k * (k + 1) / (6 * cells))))


def friedman(ranks: NDArray[np.float64]) -> float:
    """Return p of Friedman's test of [cells, methods], the ranks within each cell, corrected for ties; 1 where all are
    tied. To the last bit scipy.stats.friedmanchisquare's."""
    from scipy import special

    cells, k = ranks.shape
    tied = np.concatenate([np.unique(cell, return_counts=True)[1] for cell in ranks])
    correction = 1 - float((tied**3 - tied).sum()) / (k * (k * k - 1) * cells)
    if correction == 0:
        return 1.0
    sums = float((((k + 1) - ranks).sum(axis=0) ** 2).sum())
    statistic = (12.0 / (k * cells * (k + 1)) * sums - 3 * cells * (k + 1)) / correction
    return float(special.chdtrc(k - 1, statistic))


def quantile(k: int) -> float:
    """Return the 95% quantile of the range of k standard normal variables."""
    if k - FEWEST < len(RANGES):
        return RANGES[k - FEWEST]
    from scipy import stats

    return float(stats.studentized_range.ppf(LEVEL, k, np.inf))
