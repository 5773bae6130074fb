"""summary.csv, comparisons and the bold that they allow."""

import numpy as np
import pytest
from scipy import stats

from bench.report.analysis.comparisons import ALL, compare, winners
from bench.report.analysis.sections import sections
from bench.report.analysis.summary import summarise


def one(runs):
    (section,) = sections(runs)
    return section


def test_summary_has_a_row_per_method_and_target(make_frames):
    runs, _ = make_frames(depths=(2, 4), seeds=4)
    summary = summarise(one(runs)).set_index(["method", "target"])
    assert len(summary) == 10
    sample = runs[(runs["method"] == "wave") & (runs["depth"] == 4)]["top1"]
    row = summary.loc["wave", "L4-d64"]
    interval = stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    assert (row["n"], row["planned"], row["interval"]) == (4, 4, "t")
    assert row["top1_mean"] == pytest.approx(sample.mean())
    assert row["top1_std"] == pytest.approx(sample.std())
    assert (row["top1_low"], row["top1_high"]) == pytest.approx((interval.low, interval.high))
    assert (row["params"], row["stored_params"], row["note"]) == (197_248, 40_000, "given one learngene")
    assert row["runs"].split() == [f"wave-L4-d64-digits-s{s}" for s in range(4)]


def test_summary_of_a_half_finished_suite_says_what_is_missing(make_frames):
    runs, _ = make_frames(methods=("random", "wave"), depths=(2,), seeds=4)
    wave = runs.index[runs["method"] == "wave"]
    runs.loc[wave[0], ["status", "reason", "error"]] = ["failed", "", "loss is NaN at step 3"]
    runs.loc[wave[1], ["status", "reason"]] = ["skipped", "ancestor failed"]
    runs.loc[wave[2], "status"] = "running"
    runs.loc[wave[:3], ["top1", "loss"]] = np.nan
    row = summarise(one(runs)).set_index("method").loc["wave"]
    assert (row["n"], row["planned"], row["failed"], row["skipped"], row["missing"]) == (1, 4, 1, 1, 1)
    assert row["reasons"] == "loss is NaN at step 3; ancestor failed"
    assert row["note"].startswith("too few seeds (1 < 3)")
    assert np.isnan(row["top1_low"])


def test_a_suite_that_has_not_begun(make_frames):
    runs, _ = make_frames(depths=(2,))
    runs["status"] = "pending"
    runs[["top1", "learngene_flops", "stored_params"]] = None
    section = one(runs)
    assert summarise(section)["n"].tolist() == [0] * 5
    assert len(compare(section)) == 0
    assert winners(section, compare(section)) == {}


def test_comparison_is_paired_by_seed(make_frames):
    runs, _ = make_frames(methods=("sws", "wave"), depths=(2, 4), seeds=6)
    comparisons = compare(one(runs)).set_index("target")
    top1 = runs.pivot(index="seed", columns=["depth", "method"], values="top1")
    expected = stats.ttest_rel(top1[2]["sws"], top1[2]["wave"])
    assert comparisons.loc["L2-d64", "p"] == pytest.approx(expected.pvalue)
    difference = ((top1[2] + top1[4]) / 2)["sws"] - ((top1[2] + top1[4]) / 2)["wave"]
    overall = comparisons.loc[ALL]
    assert overall["difference"] == pytest.approx(difference.mean())
    assert overall["p"] == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
    assert (overall["n"], overall["cells"]) == (6, 2)


def test_over_all_targets_only_complete_cells_count(make_frames):
    runs, _ = make_frames(methods=("sws", "wave"), depths=(2, 4), seeds=3)
    kept = runs[~((runs["depth"] == 4) & (runs["method"] == "wave") & (runs["seed"] == 2))]
    overall = compare(one(kept)).set_index("target").loc[ALL]
    only = compare(one(runs[runs["depth"] == 2])).set_index("target").loc[ALL]
    assert (overall["n"], overall["cells"]) == (3, 1)
    assert overall["difference"] == pytest.approx(only["difference"])


def scored(make_frames, scores):
    """One target, a column of `scores` per method."""
    methods = ("random", "sws", "wave")[: scores.shape[1]]
    runs, _ = make_frames(methods=methods, depths=(2,), seeds=len(scores))
    for i, method in enumerate(methods):
        runs.loc[runs["method"] == method, "top1"] = scores[:, i]
    section = one(runs)
    return winners(section, compare(section))


def test_bold_needs_an_advantage_over_every_other_method(make_frames):
    noise = np.array([[0.0], [1.0], [2.0], [0.5], [1.5]])
    jitter = np.array([[0, 0.1, -0.1], [0, -0.1, 0.1], [0, 0.2, 0], [0, 0, 0.1], [0, 0, -0.2]])
    clear = noise + jitter + [50, 80, 90]
    assert scored(make_frames, clear) == {"L2-d64": "wave"}
    assert scored(make_frames, noise + jitter + [50, 90, 90]) == {}  # wave and sws do not differ
    assert scored(make_frames, clear[:2]) == {}  # two seeds claim nothing
    assert scored(make_frames, clear[:, :1]) == {}  # nothing to compare with


def test_bold_is_paired_not_by_overlap(make_frames):
    """Seeds spread by 10 points, yet every seed says the same."""
    spread = np.array([[70.0], [75.0], [80.0], [72.0]])
    assert scored(make_frames, spread + [[0, 2.0], [0, 2.2], [0, 1.9], [0, 2.1]]) == {"L2-d64": "sws"}


def test_axis_follows_what_varies(make_frames):
    assert one(make_frames(depths=(2, 4))[0]).axis == "depth"
    assert one(make_frames(depths=(2,), widths=(32, 64))[0]).axis == "embed_dim"
    assert one(make_frames(depths=(2, 4), widths=(32, 64))[0]).axis == "depth"
    runs, _ = make_frames(depths=(2,))
    other = runs.assign(target="wide heads", run=runs["run"] + "x")
    import pandas as pd

    assert one(pd.concat([runs, other])).axis == "target"
