"""Statistics of a benchmark whose replication unit is the seed. scipy computes; this module chooses and says
what. Its distributions are from scipy.special: importing scipy.stats takes a third of a second or more.

Scores are matrices [seeds, ...] with NaN for what is missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
QUARTER = 0.25
FEW = 3  # with fewer seeds nothing is claimed
ENOUGH = 5  # with fewer, what is claimed hangs on the scatter being normal: said loudly
BOOTSTRAP_FROM = 30  # below, the bootstrap's intervals are too narrow (n = 10: 90% instead of 95%); t holds its level
RESAMPLES = 1999
BATCH = 100  # resamples at a time
KEPT = 4000  # seeds up to which resamples are kept: they take 64 MB then
TINY = 1e-9  # relative spread that is rounding, not chance


@dataclass(frozen=True)
class Intervals:
    """Mean, standard deviation and 95% interval of the mean for each column; arrays [columns].

    method: "t", "BCa" (bias-corrected and accelerated bootstrap) or "" where n < 2 allows no interval.
    """

    n: NDArray
    mean: NDArray
    std: NDArray
    low: NDArray
    high: NDArray
    method: NDArray


def intervals(scores: ArrayLike, *, bootstrap: bool = True) -> Intervals:
    """Return intervals of the column means of [seeds, columns]; NaN are left out.

    Student's t below 30 seeds, BCa bootstrap (1,999 resamples, fixed random state) from there on, unless `bootstrap` is
    False.
    """
    scores = np.asarray(scores, dtype=float)
    n = np.sum(~np.isnan(scores), axis=0)
    mean, std = _moments(scores, n)
    half = _t_half(std, n)
    low, high = mean - half, mean + half
    method = np.where(n >= 2, "t", "").astype(object)
    for size in np.unique(n[n >= BOOTSTRAP_FROM]) if bootstrap else ():
        columns = np.flatnonzero((n == size) & (std > TINY * np.abs(mean)))
        if len(columns):
            bca = np.stack(_bca(_known(scores, columns)))
            known = ~np.isnan(bca).any(axis=0)  # degenerate samples have no BCa interval: t stays
            low[columns[known]], high[columns[known]] = bca[:, known]
            method[columns[known]] = "BCa"
    return Intervals(n, mean, std, low, high, method)


def _moments(scores: NDArray, n: NDArray) -> tuple[NDArray, NDArray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without values: NaN is the answer
        return np.nanmean(scores, axis=0), np.where(n >= 2, np.nanstd(scores, axis=0, ddof=1), np.nan)


def _t_half(std: NDArray, n: NDArray) -> NDArray:
    """Half width of Student's interval."""
    from scipy import special

    enough = n >= 2
    degrees = np.where(enough, n - 1, 1)
    return np.where(enough, special.stdtrit(degrees, (1 + LEVEL) / 2) * std / np.sqrt(np.maximum(n, 1)), np.nan)


def _known(scores: NDArray, columns: NDArray) -> NDArray:
    """What is no NaN in columns that have as many of it: [columns, n]."""
    return np.stack([column[~np.isnan(column)] for column in scores.T[columns]])


def _bca(data: NDArray) -> tuple[NDArray, NDArray]:
    """BCa limits of the row means of [columns, n]; NaN for degenerate samples.

    What scipy.stats.bootstrap does, from the same resamples, but that means which differ by rounding are tied, and that
    it takes a tenth of the time or less: scipy copies every resample; here their means are products of
    the data with how often each value is drawn, and the jackknife of a mean is known from the data. Source: Efron,
    J. Am. Stat. Assoc. 82 (1987).
    """
    from scipy import special

    n = data.shape[1]
    mean = data.mean(axis=1, keepdims=True)
    resampled = np.concatenate([data @ times.T / n for times in (_kept if n <= KEPT else _drawn)(n)], axis=1)
    centred, tied = data - mean, _rounding(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        acceleration = (centred**3).sum(axis=1) / (6 * (centred**2).sum(axis=1) ** 1.5)
        below = ((resampled < mean - tied).mean(axis=1) + (resampled <= mean + tied).mean(axis=1)) / 2
        bias = special.ndtri(below)
        shifted = bias + special.ndtri([[(1 - LEVEL) / 2], [(1 + LEVEL) / 2]])  # [2, columns]
        levels = special.ndtr(bias + shifted / (1 - acceleration * shifted))
    limits = np.full(levels.shape, np.nan)
    for i in np.flatnonzero(~np.isnan(levels).any(axis=0)):
        limits[:, i] = np.quantile(resampled[i], levels[:, i])
    return limits[0], limits[1]


def _drawn(n: int) -> Iterator[NDArray]:
    """How often each resample has each of n values: batches [resamples, n], of whole numbers as floats."""
    rng = np.random.default_rng(0)
    for start in range(0, RESAMPLES, BATCH):
        drawn = rng.integers(0, n, (min(BATCH, RESAMPLES - start), n))
        places = drawn + n * np.arange(len(drawn))[:, None]
        yield np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)


@lru_cache(maxsize=1)
def _kept(n: int) -> list[NDArray]:
    """All of `_drawn`, kept for the next of the many samples of one size in a report."""
    return list(_drawn(n))


@dataclass(frozen=True)
class Paired:
    """Differences a - b over the seeds that both have: arrays [pairs]; t intervals and two-sided p-values."""

    n: NDArray
    mean: NDArray
    std: NDArray
    low: NDArray
    high: NDArray
    p: NDArray


def paired(a: ArrayLike, b: ArrayLike) -> Paired:
    """Return paired t-tests of the columns of two matrices [seeds, pairs]; rows with a NaN on either side are left out.

    Differences that are equal at every seed leave a t-test nothing to estimate scatter by, and accuracy on a small test
    set comes in steps, so that this happens by chance. Then p is that of the exact test by changes of sign, which
    assumes no distribution: 2^(1 - n), or 1 where the differences are 0.
    """
    from scipy import special

    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    n = np.sum(~np.isnan(difference), axis=0)
    mean, std = _moments(difference, n)
    half = _t_half(std, n)
    p = np.full(mean.shape, np.nan)
    rounding = _rounding(mean)
    constant, varied = (n >= 2) & (std <= rounding), (n >= 2) & (std > rounding)
    p[constant] = np.where(np.abs(mean) <= rounding, 1.0, 2.0 ** (1.0 - n))[constant]
    for size in np.unique(n[varied]):
        columns = np.flatnonzero(varied & (n == size))
        p[columns] = 2 * special.stdtr(size - 1, -np.abs(_t(_known(difference, columns))))
    return Paired(n, mean, std, mean - half, mean + half, p)


def _t(data: NDArray) -> NDArray:
    """Student's statistic of the row means of [columns, n]; to the last bit scipy.stats.ttest_1samp's."""
    n = data.shape[1]
    mean = data.mean(axis=1, keepdims=True)
    variance = ((data - mean) ** 2).mean(axis=1) * (n / (n - 1))
    return mean[:, 0] / np.sqrt(variance / n)


def equivalence(differences: Paired, margin: float) -> NDArray:
    """Return p-values of two one-sided t-tests (TOST): small where a mean difference lies within +-margin points.

    The larger of the two one-sided p-values. Where differences are equal at every seed it is that of the exact test by
    signs (see `paired`), 2^-n, or 1 where they are not within the margin. Source: Schuirmann, J. Pharmacokinet.
    Biopharm. 15 (1987).
    """
    from scipy import special

    n, mean, std = differences.n, differences.mean, differences.std
    p = np.full(mean.shape, np.nan)
    constant, varied = (n >= 2) & (std <= _rounding(mean)), (n >= 2) & (std > _rounding(mean))
    p[constant] = np.where(np.abs(mean) < margin, 2.0 ** -n.astype(float), 1.0)[constant]
    nearest = (margin - np.abs(mean[varied])) / (std[varied] / np.sqrt(n[varied]))
    p[varied] = special.stdtr(n[varied] - 1, -nearest)
    return p


@dataclass(frozen=True)
class Welch:
    """The difference of two means, a - b, of values that are no pairs: Welch's interval and two-sided p-value."""

    n_a: int
    n_b: int
    difference: float
    low: float
    high: float
    p: float


def welch(a: NDArray, b: NDArray) -> Welch:
    """Return Welch's t-test of two samples without NaN; NaN for what fewer than 2 values or no scatter do not tell."""
    from scipy import stats

    difference = float(a.mean() - b.mean()) if len(a) and len(b) else float("nan")
    if min(len(a), len(b)) < 2 or max(a.std(), b.std()) <= TINY:
        return Welch(len(a), len(b), difference, *[float("nan")] * 3)
    result = stats.ttest_ind(a, b, equal_var=False)
    limits = result.confidence_interval(LEVEL)
    return Welch(len(a), len(b), difference, float(limits.low), float(limits.high), float(result.pvalue))


def _rounding(mean: NDArray) -> NDArray:
    """The scatter up to which differences count as equal."""
    return TINY * np.maximum(np.abs(mean), 1.0)


def holm(p: ArrayLike) -> NDArray:
    """Return Holm's step-down adjusted p-values of one family; NaN stay NaN and do not count."""
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: int(np.sum(~np.isnan(p)))]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def interquartile_mean(scores: ArrayLike) -> NDArray:
    """Return mean of the middle half over the last axis: the 25% trimmed mean, of whole values (see `trimmed`)."""
    scores = np.asarray(scores, dtype=float)
    cut, values = trimmed(scores.shape[-1]), scores.shape[-1]
    return np.asarray(np.partition(scores, (cut, values - cut - 1), axis=-1)[..., cut : values - cut].mean(axis=-1))


def trimmed(values: int) -> int:
    """Return how many of so many values the interquartile mean leaves out at either end: none of fewer than 4."""
    return int(QUARTER * values)


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Intervals:
    """Return share of cells whose score reaches each threshold: scores [seeds, cells], thresholds [T] -> intervals [T].

    The share is taken per seed, so that the interval is over seeds. Source: Agarwal et al., NeurIPS 2021 (rliable).
    """
    reached = np.asarray(scores, dtype=float)[:, :, None] >= np.asarray(thresholds, dtype=float)
    return intervals(reached.mean(axis=1))
