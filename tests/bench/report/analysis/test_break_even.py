"""The break-even of a three-method example comes out as by hand; what all sizes share is fixed."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from bench.report.analysis.break_even import Cheaper, break_even, cheaper, verdict
from bench.report.analysis.comparisons import compare
from bench.report.analysis.cost import paid
from bench.report.analysis.from_scratch import least, tuning_of
from bench.report.analysis.frontier import frontier
from bench.report.conform import conform_runs
from tests.bench.report.report_frames import analysed, tuned


def test_tuning_counts_on_both_sides_of_the_break_even():
    section, curves, costs = analysed(*tuned())
    with_tuning = (
        break_even(section, curves, costs).set_index(["method", "unit", "ancestor"]).loc["wave", "flops", "with"]
    )
    plain = section.runs.assign(tune="", tuning="", tuning_flops=np.nan)
    section, curves, costs = analysed(plain, curves.drop(columns=["method", "target", "seed"]))
    without = break_even(section, curves, costs).set_index(["method", "unit", "ancestor"]).loc["wave", "flops", "with"]
    for side in ("per_size", "scratch_per_size"):
        assert with_tuning[side] - without[side] == pytest.approx(1.5e11)
    assert with_tuning["fixed"] == without["fixed"] == 8e12


def example(make_frames):
    """Two sizes. Random gains 9 points an epoch for 100 FLOPs, 10 epochs, so it ends at 90%. Beside it:
    a: ancestor 2000, learngene 1000, init 50 + training 150, ends at 72% (random: 8 epochs)
    b: ancestor 2000, no learngene, training 200, ends at 36% (random: 4 epochs)
    c: learngene 1200 per size, training 400, ends at 99% (random: never; it spends 1000)
    """
    runs, curves = make_frames(methods=("random", "wave", "weight_selection", "mixture_growth"), depths=(2, 4))
    parts = {  # top1, ancestor, learngene, init, train
        "random": (90.0, 0.0, 0.0, 0.0, 1000.0),
        "wave": (72.0, 2000.0, 1000.0, 50.0, 150.0),
        "weight_selection": (36.0, 2000.0, 0.0, 0.0, 200.0),
        "mixture_growth": (99.0, 0.0, 1200.0, 0.0, 400.0),
    }
    columns = ["top1", "ancestor_flops", "learngene_flops", "init_flops", "train_flops"]
    runs[columns] = [parts[method] for method in runs["method"]]
    grown = runs["method"] == "mixture_growth"
    runs.loc[grown, "learngene"] = "seed-" + runs.loc[grown, "target"]
    curve = pd.DataFrame(
        [
            {"run": run, "epoch": e, "step": e, "images": e, "flops": 100.0 * e, "seconds": e, "top1": 9.0 * e}
            for run in runs.loc[runs["method"] == "random", "run"]
            for e in range(11)
        ]
    )
    return conform_runs(runs), curve


def test_break_even_by_hand(make_frames):
    section, curves, costs = analysed(*example(make_frames))
    frame = break_even(section, curves, costs)
    flops = frame[frame["unit"] == "flops"].set_index(["method", "ancestor"])
    columns = ["fixed", "per_size", "scratch_per_size", "scratch_is_bound", "break_even", "verdict"]
    expected = {
        # 3000 + 200 n = 800 n at n = 5; without the ancestor 1000 + 200 n = 800 n at 1.67. At 700, as after the last
        # evaluation below, 3000 = 500 n at n = 6
        ("wave", "with"): [3000, 200, 800, False, 5.0, "from 5 sizes (bracket 5 to 6)"],
        ("wave", "without"): [1000, 200, 800, False, 1000 / 600, "from 2 sizes"],
        # 2000 + 200 n = 400 n at n = 10; without it nothing is fixed
        ("weight_selection", "with"): [2000, 200, 400, False, 10.0, "from 10 sizes (bracket 10 to 20)"],
        ("weight_selection", "without"): [0, 200, 400, False, 0.0, "from 1 size"],
        # a learngene per size: 1600 a size against more than 1000, which tells nothing
        ("mixture_growth", "with"): [0, 1600, 1000, True, math.nan, "cannot tell"],
        ("mixture_growth", "without"): [0, 1600, 1000, True, math.nan, "cannot tell"],
    }
    assert sorted(flops.index) == sorted(expected)
    for key, row in expected.items():
        found = flops.loc[key, columns].tolist()
        assert found[:4] == row[:4]
        assert found[4] == pytest.approx(row[4], nan_ok=True)
        assert found[5] == row[5]


@pytest.mark.parametrize(
    ("fixed", "per_size", "scratch", "bound", "sizes", "words"),
    [
        (1200, 400, (0, 1000), True, (2.0, math.inf), "from at most 2 sizes"),
        (300, 400, (0, 1000), True, (0.5, math.inf), "from 1 size"),
        (100, 50, (0, 50), False, (math.inf, math.inf), "never"),
        (0, 50, (0, 50), False, (0.0, math.inf), "from 1 size"),
        (0, 60, (0, 50), False, (math.inf, math.inf), "never"),
        (math.nan, 60, (0, 50), False, (math.nan, math.nan), "cannot tell"),
        # what is fixed from scratch, its tuning: 1500 + 400 n < 300 + 1000 n from n = 2 on
        (1500, 400, (300, 1000), False, (2.0, math.inf), "from 2 sizes"),
        (300, 400, (1500, 1000), False, (0.0, math.inf), "from 1 size"),
        # 300 + 60 n < 400 + 50 n until n = 10, where both cost the same
        (300, 60, (400, 50), False, (0.0, 10.0), "up to 9 sizes"),
        (300, 60, (405, 50), False, (0.0, 10.5), "up to 10 sizes"),
        (300, 60, (310, 50), False, (0.0, 1.0), "never"),
        (300, 60, (400, 50), True, (0.0, 10.0), "up to at least 9 sizes"),
        (300, 50, (400, 50), False, (0.0, math.inf), "from 1 size"),
        (400, 60, (300, 50), True, (math.nan, math.nan), "cannot tell"),
    ],
)
def test_for_how_many_sizes_a_method_is_cheaper(fixed, per_size, scratch, bound, sizes, words):
    found = cheaper(fixed, per_size, *scratch, is_bound=bound)
    assert found == pytest.approx(sizes, nan_ok=True)
    assert verdict(found, Cheaper(0.0) if bound else found, found, is_bound=bound) == words


@pytest.mark.parametrize(
    ("sizes", "low", "high", "words"),
    [
        ((4.2,), (3.8,), (math.inf,), "from 5 sizes (bracket 4 to never)"),
        ((math.inf,), (3.8,), (math.inf,), "never (bracket 4 to never)"),
        ((0.5,), (0.2,), (1.5,), "from 1 size (bracket 1 to 2)"),
        ((4.2,), (4.1,), (5.0,), "from 5 sizes"),
        ((0.0, 9.5), (0.0,), (0.0, 4.5), "up to 9 sizes (bracket: always or up to 4 sizes)"),
        ((0.0, 9.5), (0.0, 10.0), (0.0, 9.1), "up to 9 sizes"),
    ],
)
def test_a_bracket_is_shown_where_its_ends_differ(sizes, low, high, words):
    assert verdict(Cheaper(*sizes), Cheaper(*low), Cheaper(*high), is_bound=False) == words


@pytest.mark.parametrize(
    ("fixed", "spent", "expected"),
    [
        ([0, 0], [[3, 5], [8, 2]], (0, 2.5)),  # each label where it is the cheaper one
        ([10, 0], [[3, 5], [1, 2]], (0, 3.5)),  # what is fixed is not worth its saving
        ([2, 0], [[3, 9], [1, 2]], (2, 2)),
        ([4, 4], [[1, 9], [9, 1]], (8, 1)),  # 8 + 2 for both, 4 + 10 for either
        ([4, 5], [[1, 3], [9, 6]], (4, 5)),  # 9 + 7 for both, 4 + 10 and 5 + 9 alone: the first of equals
        ([0, math.nan], [[3, 1], [3, 1]], (0, 3)),  # of an unknown price
        ([0, 0], [[3, math.inf], [math.inf, 4]], (0, 3.5)),
        ([0], [[math.nan]], (math.nan, math.nan)),
    ],
)
def test_from_scratch_is_the_cheapest_choice_of_labels_for_all_sizes(fixed, spent, expected):
    found = least(np.array(fixed, dtype=float), np.array(spent, dtype=float))
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_tuning_that_serves_all_sizes_is_fixed_on_both_sides(make_frames):
    """wave 3000 + 200 n and 800 n from scratch (`example`). Tuning once for both sizes: 6000 of random, 5000 of wave:
    8000 + 200 n = 6000 + 800 n at n = 3.33; 12000 of random: 8000 + 200 n is less from the first size on."""
    for of_random, expected in ((6000.0, 2000 / 600), (12000.0, 0.0)):
        runs, curve = example(make_frames)
        runs["tune"], runs["tuning"] = '{"lr":0.001}', runs["method"] + "-a " + runs["method"] + "-b"
        runs["tuning_flops"] = runs["method"].eq("random").map({True: of_random, False: 5000.0})
        runs["tuning_seconds"], runs["tuning_images"], runs["tuning_workers"] = 3600.0, 1000, 1
        section, curves, costs = analysed(conform_runs(runs), curve)
        row = break_even(section, curves, costs).query("unit == 'flops' and ancestor == 'with'").set_index("method")
        columns = ["fixed", "per_size", "scratch_fixed", "scratch_per_size"]
        assert row.loc["wave", columns].tolist() == [8000, 200, of_random, 800]
        assert row.loc["wave", "break_even"] == pytest.approx(expected)
        total = costs.set_index("method").loc["wave", "flops_total"]
        assert total == row.loc["wave", "fixed"] + 2 * row.loc["wave", "per_size"] == 8400
        points = frontier(section, costs, compare(section)).query("method == 'wave'").set_index("sizes")["flops"]
        assert points.to_dict() == {1: 8200, 2: 8400}


def test_a_tuning_that_some_sizes_share_is_their_share_each(make_frames):
    """Four sizes, two of a kind share a tuning of 2000: 1000 a size from scratch, and nothing fixed."""
    runs, curve = make_frames(methods=("random", "wave"), depths=(2, 4, 6, 8))
    runs["tune"] = '{"lr":0.001}'
    runs["tuning"] = runs["method"] + "-" + (runs["depth"] > 4).astype(str)
    runs["tuning_flops"], runs["tuning_seconds"], runs["tuning_images"], runs["tuning_workers"] = 2000.0, 1.0, 1, 1
    fixed, own = tuning_of(paid(analysed(runs, curve)[0]))
    assert fixed["flops"].tolist() == [0, 0] and own["flops"].tolist() == [1000] * 8


def looked_at(make_frames, every: int, wave: float = 71.0):
    """Random's curve rises evenly by 9 points and 100 FLOPs an epoch for 10 epochs; wave costs 3000 + 200 a size."""
    runs, curve = example(make_frames)
    runs.loc[runs["method"] == "wave", "top1"] = wave
    section, curves, costs = analysed(runs, curve[curve["epoch"] % every == 0])
    frame = break_even(section, curves, costs)
    return frame.query("method == 'wave' and unit == 'flops' and ancestor == 'with'").iloc[0]


def test_how_often_the_control_is_evaluated_moves_the_bracket_and_not_the_answer(make_frames):
    """71% takes 71 / 9 = 7.89 epochs and 788.9 FLOPs: 3000 = 588.9 n at 5.09. Looks of every fifth epoch bracket it
    by 5 and 10 epochs: 3000 = 300 n at 10, and = 800 n at 3.75."""
    fine, coarse = (looked_at(make_frames, every) for every in (1, 5))
    for row in (fine, coarse):
        assert row["scratch_per_size"] == pytest.approx(7100 / 9)
        assert row["break_even"] == pytest.approx(3000 / (7100 / 9 - 200))
    assert fine[["scratch_per_size_low", "scratch_per_size_high"]].tolist() == [700, 800]
    assert fine[["break_even_low", "break_even_high"]].tolist() == [5, 6]
    assert fine["verdict"] == "from 6 sizes (bracket 5 to 6)"
    assert coarse[["scratch_per_size_low", "scratch_per_size_high"]].tolist() == [500, 1000]
    assert coarse[["break_even_low", "break_even_high"]].tolist() == [3.75, 10]
    assert coarse["verdict"] == "from 6 sizes (bracket 4 to 10)"


def test_without_curves_a_run_is_known_by_its_two_ends_and_no_bound_is_claimed(make_frames):
    """Random starts at 10% and ends at 90% after 1000 FLOPs, so 70% lies anywhere in between: at 750 by a line."""
    runs, curve = example(make_frames)
    runs.loc[runs["method"] == "wave", "top1"] = 70.0
    section, curves, costs = analysed(runs, curve.iloc[:0])
    frame = break_even(section, curves, costs)
    row = frame.query("method == 'wave' and unit == 'flops' and ancestor == 'with'").iloc[0]
    assert row[["scratch_per_size", "scratch_per_size_low", "scratch_per_size_high"]].tolist() == [750, 0, 1000]
    assert not row["scratch_is_bound"]
    assert row[["break_even_low", "break_even_high"]].tolist() == [3.75, math.inf]


def test_a_bound_has_an_open_end(make_frames):
    row = looked_at(make_frames, 1, wave=95.0)
    assert row["scratch_is_bound"]
    assert row[["scratch_per_size", "scratch_per_size_low", "scratch_per_size_high"]].tolist() == [1000, 1000, math.inf]
    assert row[["break_even", "break_even_low", "break_even_high"]].tolist() == [3.75, 0, 3.75]
    assert row["verdict"] == "from at most 4 sizes"


@pytest.mark.parametrize("known", [True, False])
def test_a_teacher_that_all_sizes_share_is_fixed_and_each_ones_ancestor_is_not(make_frames, known):
    """Two sizes with ancestors of 100 and 300 FLOPs of their own and one teacher of 2000; learngene 1000, init 50 +
    training 150. Fixed: 2000 + 1000. Per size: (100 + 300) / 2 + 200 = 400. Against 800 from scratch (to 72% at
    9 points and 100 FLOPs an epoch): 3000 + 400 n = 800 n at n = 7.5. In all for its two sizes: 3000 + 800 = 3800.
    """
    runs, curve = example(make_frames)
    wave = runs["method"] == "wave"
    for depth, own in ((2, 100.0), (4, 300.0)):
        here = wave & (runs["depth"] == depth)
        each = {f"own{depth}": {"ancestor_flops": own}, "teacher": {"ancestor_flops": 2000.0 if known else None}}
        runs.loc[here, ["ancestor", "ancestor_each"]] = [" ".join(each), json.dumps(each)]
        runs.loc[here, "ancestor_flops"] = own + 2000 if known else np.nan
    section, curves, costs = analysed(runs, curve)
    frame = break_even(section, curves, costs).query("method == 'wave' and unit == 'flops'").set_index("ancestor")
    row, total = frame.loc["with"], costs.set_index("method").loc["wave", "flops_total"]
    assert row["per_size"] == 400
    assert frame.loc["without", ["fixed", "per_size"]].tolist() == [1000, 200]
    if known:
        assert row[["fixed", "break_even", "verdict"]].tolist() == [3000, 7.5, "from 8 sizes (bracket 8 to 10)"]
        assert row["fixed"] + row["targets"] * row["per_size"] == total == 3800
    else:  # a teacher that came ready-made: what is shared is unknown, what each size has of its own is not
        assert math.isnan(row["fixed"])
        assert math.isnan(total)
        assert row["verdict"] == "cannot tell"


def test_what_only_some_sizes_share_grows_with_their_number(make_frames):
    """Four sizes, two of a kind share an ancestor of 2000: 4000 in all, 1000 a size and nothing fixed but 1000."""
    runs, curve = make_frames(methods=("random", "wave"), depths=(2, 4, 6, 8))
    wave = runs["method"] == "wave"
    runs.loc[wave, "ancestor"] = "of-" + (runs["depth"] > 4).astype(str)
    runs.loc[wave, ["ancestor_flops", "learngene_flops", "init_flops", "train_flops"]] = [2000.0, 1000.0, 50.0, 150.0]
    section, curves, costs = analysed(runs, curve)
    row = break_even(section, curves, costs).set_index(["method", "unit", "ancestor"]).loc["wave", "flops", "with"]
    assert row[["fixed", "per_size"]].tolist() == [1000, 1200]
    assert costs.set_index("method").loc["wave", "flops_total"] == 1000 + 4 * 1200
