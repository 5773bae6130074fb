"""Accuracy against cost: the frontier by the numbers, dominated only where it is shown; whether early ranks hold."""

import numpy as np
import pytest
from scipy import stats

from bench.report.analysis.early import SHARES
from bench.report.analysis.section_analysis import analyse
from bench.report.tables.early import early
from tests.bench.report.report_frames import make


def points(runs):
    """label -> (FLOPs by number of sizes, mean), by loops: of one ancestor or learngene per label."""
    found = {}
    for label, rows in runs.groupby("method"):
        first = rows.iloc[0]
        fixed = first["ancestor_flops"] + first["learngene_flops"]
        sizes = rows.drop_duplicates("target")
        per_size = (sizes["init_flops"] + sizes["train_flops"]).sum() / len(sizes)
        found[label] = ({k: fixed + k * per_size for k in (1, 2, 3)}, rows["top1"].mean())
    return found


def test_the_frontier_is_what_nothing_beats_in_both():
    runs, curves = make(depths=(2, 4, 6), seeds=5)
    (analysis,) = analyse(runs, curves)
    frame, expected = analysis.frontier, points(runs)
    assert len(frame) == 3 * 5
    for row in frame.to_dict("records"):
        flops, mean = expected[row["method"]]
        assert row["flops"] == pytest.approx(flops[row["sizes"]]) and row["top1"] == pytest.approx(mean)
        beaten = any(f[row["sizes"]] < row["flops"] and m > row["top1"] for f, m in expected.values())
        assert row["on_frontier"] == (not beaten)
        assert bool(row["dominated_by"]) == beaten  # these lie far apart, and five seeds show it
    assert frame["on_frontier"].any() and (~frame["on_frontier"]).any()


def test_what_is_not_shown_to_be_behind_is_not_called_dominated():
    runs, curves = make(methods=("random", "sws", "wave"), depths=(2, 4), seeds=3)
    sws, wave = (runs["method"] == name for name in ("sws", "wave"))
    scatter = np.tile([-3.0, 0.0, 3.0], 2)
    runs.loc[sws, "top1"], runs.loc[wave, "top1"] = 80.0 + scatter, 79.9 - scatter  # wave costs more
    frame = analyse(runs, curves)[0].frontier.set_index(["method", "sizes"])
    assert not frame.loc[("wave", 2), "on_frontier"] and frame.loc[("wave", 2), "dominated_by"] == ""


def test_unknown_costs_and_missing_sizes_are_left_out():
    runs, curves = make(methods=("random", "sws", "wave"), depths=(2, 4))
    runs.loc[runs["method"] == "sws", "ancestor_flops"] = np.nan
    runs.loc[(runs["method"] == "wave") & (runs["depth"] == 4), ["status", "top1"]] = ["skipped", np.nan]
    assert set(analyse(runs, curves)[0].frontier["method"]) == {"random"}


def test_a_narrowed_picture_keeps_the_whole_frontier():
    labels = [f"wave_{i}" for i in range(20)] + ["random", "mixture_growth"]
    runs, curves = make(methods=labels, depths=(2,), seeds=3)
    (analysis,) = analyse(runs, curves)
    narrowed = analysis.narrowed().frontier
    assert len(analysis.leading) < len(labels)
    every = analysis.frontier
    assert set(every.loc[every["on_frontier"], "method"]) <= set(narrowed["method"])
    assert "mixture_growth" not in analysis.leading and "mixture_growth" in set(narrowed["method"])


def turning(epochs=20):
    """random and sws as they end, and wave, which is last until three quarters of its training."""
    runs, curves = make(methods=("random", "sws", "wave"), depths=(2, 4), seeds=3, epochs=epochs)
    late = curves["run"].str.startswith("wave") & (curves["epoch"] < 0.75 * epochs)
    curves.loc[late, "top1"] = 1.0
    return runs, curves


def test_ranks_that_do_not_hold_are_told():
    runs, curves = turning()
    (analysis,) = analyse(runs, curves)
    frame = analysis.early.set_index(["target", "share"])
    for share in SHARES:
        at = curves.merge(runs[["run", "method", "target"]], on="run")
        then = at[at["epoch"] == share * 20].groupby(["method", "target"])["top1"].mean().unstack().mean(axis=1)
        end = runs.groupby("method")["top1"].mean()
        row = frame.loc[("all targets", share)]
        assert row["tau"] == pytest.approx(stats.kendalltau(then[end.index], end).statistic)
        assert (row["pairs"], row["best_at_end"], row["evaluated"]) == (3, end.idxmax(), 1.0)
        assert row["best_then"] == then.idxmax() != row["best_at_end"]
        kept = sum((then[a] - then[b]) * (end[a] - end[b]) > 0 for a, b in
                   [("random", "sws"), ("random", "wave"), ("sws", "wave")])  # fmt: skip
        assert row["pairs_kept"] == kept == 1
    table = early(analysis)
    assert len(table.rows) == 9 and table.rows[0][2].text == "3"


def test_accuracies_between_evaluations_are_read_off_lines():
    runs, curves = make(methods=("random", "sws", "wave"), depths=(2,), seeds=3, epochs=2)  # 10% is 0.2 epochs
    frame = analyse(runs, curves)[0].early.set_index("share")
    assert frame.loc[[0.1, 0.25], "evaluated"].tolist() == [0, 0] and frame.loc[0.5, "evaluated"] == 1
    assert analyse(*make(methods=("random", "sws"), depths=(2,)))[0].early.empty  # two labels have no ranks
    assert analyse(*make(depths=(2,), epochs=0))[0].early.empty
