"""Statistics against scipy on recorded samples, and intervals against what they promise."""

import numpy as np
import pytest
from scipy import stats

from bench.report.analysis import statistics

# Test top-1 of ten seeds of two methods, recorded.
A = np.array([92.5, 93.06, 91.94, 93.61, 92.78, 94.17, 92.22, 93.33, 92.5, 93.89])
B = np.array([91.67, 92.78, 92.22, 92.5, 91.94, 93.06, 91.11, 92.78, 92.22, 92.5])


def test_t_interval_is_scipys():
    values = statistics.intervals(np.stack([A, B], axis=1))
    for i, sample in enumerate((A, B)):
        expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
        assert (values.low[i], values.high[i]) == pytest.approx((expected.low, expected.high), rel=1e-12)
        assert values.mean[i] == pytest.approx(sample.mean())
        assert values.std[i] == pytest.approx(sample.std(ddof=1))
    assert values.method.tolist() == ["t", "t"]


def test_missing_values_are_left_out_and_counted():
    scores = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, np.nan], [3.0, np.nan, np.nan]])
    values = statistics.intervals(scores)
    assert values.n.tolist() == [3, 0, 1]
    assert values.mean[[0, 2]].tolist() == [2.0, 5.0]
    assert np.isnan(values.low[1:]).all()
    assert values.method.tolist() == ["t", "", ""]


def test_many_seeds_use_scipys_bca():
    sample = np.random.default_rng(3).gamma(2.0, size=40)
    values = statistics.intervals(sample[:, None])
    expected = stats.bootstrap((sample,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1))
    low, high = expected.confidence_interval
    assert values.method.tolist() == ["BCa"]
    assert (values.low[0], values.high[0]) == pytest.approx((low, high), abs=0.03)


@pytest.mark.parametrize("kept", [0, 33])
def test_bca_is_scipys_from_the_same_resamples(monkeypatch, kept):
    monkeypatch.setattr(statistics, "KEPT", kept)
    data = np.random.default_rng(4).gamma(2.0, size=(5, 33))
    rng, settings = np.random.default_rng(0), {"n_resamples": statistics.RESAMPLES, "batch": statistics.BATCH}
    expected = stats.bootstrap((data,), np.mean, axis=1, vectorized=True, method="BCa", rng=rng, **settings)
    values = statistics.intervals(data.T)
    assert values.low == pytest.approx(expected.confidence_interval.low, rel=1e-12)
    assert values.high == pytest.approx(expected.confidence_interval.high, rel=1e-12)


def test_equal_scores_have_an_interval_of_width_zero():
    for n in (5, 40):
        values = statistics.intervals(np.full((n, 1), 90.0))
        assert values.low[0] == values.high[0] == 90.0


@pytest.mark.parametrize("n", [5, 20, 40])
def test_intervals_cover_the_truth_in_95_of_100_draws(n):
    draws = np.random.default_rng(n).normal(90.0, 1.5, size=(n, 2000))
    values = statistics.intervals(draws)
    coverage = np.mean((values.low <= 90.0) & (values.high >= 90.0))
    assert coverage == pytest.approx(0.95, abs=0.02)
    assert set(values.method) == {"t" if n < 30 else "BCa"}


def test_paired_is_scipys_paired_t_test():
    result = statistics.paired(A[:, None], B[:, None])
    expected = stats.ttest_rel(A, B)
    interval = expected.confidence_interval(0.95)
    assert result.p[0] == pytest.approx(expected.pvalue, rel=1e-10)
    assert (result.low[0], result.high[0]) == pytest.approx((interval.low, interval.high), rel=1e-10)
    assert result.mean[0] == pytest.approx((A - B).mean())


def test_pairs_need_both_sides():
    a, b = A[:4, None].copy(), B[:4, None].copy()
    a[0], b[3] = np.nan, np.nan
    assert statistics.paired(a, b).n.tolist() == [2]


@pytest.mark.parametrize("n", [3, 6, 8])
def test_equal_differences_are_as_certain_as_signs_can_be(n):
    """Accuracy comes in steps of one test image: the same difference at three seeds is no proof."""
    result = statistics.paired(np.full((n, 2), 2.0), np.array([[1.0, 2.0]] * n))
    exact = stats.permutation_test((np.ones(n),), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert result.p.tolist() == [pytest.approx(exact.pvalue), 1.0]
    rounding = np.array([[1e-14], [-1e-14], [2e-14], [0]])
    assert statistics.paired(90 + rounding, np.full((4, 1), 90.0)).p.tolist() == [1.0]


@pytest.mark.parametrize("n", [3, 5, 10])
def test_claims_on_coarse_scores_are_wrong_at_most_once_in_twenty(n):
    """Two methods that do not differ, measured on 360 test images."""
    rng = np.random.default_rng(n)
    draws = [100 / 360 * rng.binomial(360, 0.98, size=(n, 4000)) for _ in range(2)]
    assert np.mean(statistics.paired(*draws).p < 0.05) < 0.06


def test_holm_is_that_of_statsmodels():
    """multipletests(p, method="holm") of statsmodels 0.15.0, recorded."""
    p = [0.0121, 0.0003, 0.0411, 0.2, 0.0099, 0.0411, 0.73]
    recorded = [0.0605, 0.0021, 0.1644, 0.4, 0.0594, 0.1644, 0.73]
    assert statistics.holm(p).tolist() == pytest.approx(recorded)


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, never falling
    assert statistics.holm([0.04, 0.01, np.nan, 0.03, 0.02]).tolist() == pytest.approx(
        [0.06, 0.04, np.nan, 0.06, 0.06], nan_ok=True
    )
    assert statistics.holm([0.5, 0.9]).tolist() == [1.0, 1.0]


def test_interquartile_mean_is_of_the_middle_half():
    assert statistics.interquartile_mean([[0, 10, 20, 100, 30, 40, 50, 60]]).tolist() == [35.0]
    for n in range(1, 13):  # `trimmed` says what scipy cuts
        values, cut = np.arange(n) ** 2.0, statistics.trimmed(n)
        assert statistics.interquartile_mean(values) == pytest.approx(values[cut : n - cut].mean())
    assert [statistics.trimmed(n) for n in (3, 4, 8)] == [0, 1, 2]


def test_performance_profile_is_the_share_above_each_threshold():
    scores = np.array([[50.0, 90.0], [70.0, 90.0]])  # two seeds, two cells
    profile = statistics.performance_profile(scores, [0, 60, 80, 95])
    assert profile.mean.tolist() == [1.0, 0.75, 0.5, 0.0]
    assert profile.n.tolist() == [2, 2, 2, 2]


@pytest.mark.filterwarnings("error")
def test_degenerate_samples_keep_an_interval_without_noise():
    almost = np.full(40, 90.0) + 1e-13 * np.arange(40)
    one_off = np.full(40, 99.0)
    one_off[3] = 98.0
    values = statistics.intervals(np.stack([almost, one_off], axis=1))
    assert np.isfinite(values.low).all()
    assert (values.low <= values.mean).all()


@pytest.mark.parametrize("seed", range(8))
def test_what_scipy_stats_would_say_to_the_last_bit(seed):
    """Its distributions are taken from scipy.special, and its sums made here: importing scipy.stats takes a second."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(90, 3, size=(rng.integers(2, 60), 12)), seed)
    if seed % 2:
        scores[rng.random(scores.shape) < 0.2] = np.nan
    found = statistics.paired(scores, np.full_like(scores, 90.0))
    some = (found.n >= 2) & (found.std > 0)
    assert some.any()
    p = stats.ttest_1samp(scores[:, some] - 90.0, 0.0, nan_policy="omit").pvalue
    assert found.p[some].tolist() == p.tolist()
    nearest = (1.5 - np.abs(found.mean[some])) / (found.std[some] / np.sqrt(found.n[some]))
    assert statistics.equivalence(found, 1.5)[some].tolist() == stats.t.sf(nearest, found.n[some] - 1).tolist()
    cells = np.round(rng.random((20, 7)), 1)
    assert statistics.interquartile_mean(cells).tolist() == stats.trim_mean(cells, 0.25, axis=1).tolist()
