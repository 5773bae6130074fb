"""Cost is counted once where it is shared, and the break-even of a three-method example comes out as by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from bench.report.breakeven import break_even, crossing, verdict
from bench.report.cost import totals, with_units
from bench.report.frames import conform_runs
from bench.report.reach import reach
from bench.report.sections import sections


def analysed(runs, curves):
    (section,) = sections(runs)
    own = curves.merge(section.done[["run", "method", "target", "seed"]], on="run")
    return section, own, totals(section)


def of(runs):
    (section,) = sections(runs)
    return totals(section).set_index("method")


def test_shared_cost_is_counted_once(make_frames):
    runs, _ = make_frames(depths=(2, 4, 6), seeds=3)
    wave = of(runs).loc["wave"]
    train = runs[(runs["method"] == "wave") & (runs["seed"] == 0)]["train_flops"].sum()
    assert (wave["ancestors"], wave["learngenes"], wave["targets"], wave["n"]) == (1, 1, 3, 3)
    assert (wave["flops_ancestor"], wave["flops_learngene"], wave["flops_init"]) == (4e12, 4e12, 3e10)
    assert wave["flops_train"] == pytest.approx(train)
    assert wave["flops_total"] == pytest.approx(8e12 + 3e10 + train)
    assert wave["flops_total_without_ancestor"] == pytest.approx(wave["flops_total"] - 4e12)


def test_made_anew_per_seed_costs_one_per_seed(make_frames):
    runs, _ = make_frames(methods=("random", "wave"))
    wave = runs["method"] == "wave"
    runs.loc[wave, "ancestor"] = "ancestor-" + runs.loc[wave, "seed"].astype(str)
    runs.loc[wave, "ancestor_flops"] = 1e12 * (1 + runs.loc[wave, "seed"].astype(float))
    assert of(runs).loc["wave", ["ancestors", "flops_ancestor"]].tolist() == [1, 2e12]  # mean of 1, 2, 3


def test_one_learngene_per_size_costs_one_per_size(make_frames):
    runs, _ = make_frames(methods=("random", "mixture_growth"), depths=(2, 4))
    grown = runs["method"] == "mixture_growth"
    runs.loc[grown, "learngene"] = "seed-" + runs.loc[grown, "target"]
    row = of(runs).loc["mixture_growth"]
    assert (row["learngenes"], row["flops_learngene"], row["stored_params"]) == (2, 4e12, 320_000)


def test_an_unknown_cost_stays_unknown(make_frames):
    runs, _ = make_frames(methods=("random", "wave"))
    runs.loc[runs["method"] == "wave", "ancestor_flops"] = np.nan
    row = of(runs).loc["wave"]
    assert math.isnan(row["flops_total"])
    assert row["flops_total_without_ancestor"] > 0
    assert math.isnan(row["energy_joules_total"])  # never measured here


def tuned(make_frames, **over):
    """Two sizes, three seeds; at each size two tuning runs, 1e11 FLOPs in all at depth 2 and 2e11 at depth 4."""
    runs, curves = make_frames(methods=("random", "wave"), depths=(2, 4), **over)
    runs["tune"] = '{"lr":0.001}'
    runs["tuning"] = runs["method"] + "-" + runs["target"] + "-a " + runs["method"] + "-" + runs["target"] + "-b"
    runs["tuning_flops"] = 5e10 * runs["depth"].astype(float)
    runs["tuning_seconds"], runs["tuning_images"], runs["tuning_workers"] = 3600.0, 1000, 1
    return runs, curves


def test_tuning_runs_are_a_part_of_the_cost_counted_once_for_all_seeds(make_frames):
    runs, _ = tuned(make_frames)
    row = of(runs).loc["wave"]
    assert (row["tunings"], row["flops_tuning"], row["images_tuning"], row["device_hours_tuning"]) == (2, 3e11, 2000, 2)
    assert row["flops_total"] - row["flops_total_without_tuning"] == pytest.approx(3e11)
    assert row["flops_total_without_ancestor"] == pytest.approx(row["flops_total"] - 4e12)


def test_tuning_runs_that_are_not_named_have_an_unknown_cost(make_frames):
    runs, _ = tuned(make_frames)
    runs["tuning"], runs["tuning_flops"] = "", np.nan
    row = of(runs).loc["wave"]
    assert math.isnan(row["flops_total"])
    assert row["flops_total_without_tuning"] > 8e12


def test_tuning_counts_on_both_sides_of_the_break_even(make_frames):
    section, curves, costs = analysed(*tuned(make_frames))
    with_tuning = (
        break_even(section, curves, costs).set_index(["method", "unit", "ancestor"]).loc["wave", "flops", "with"]
    )
    plain = section.runs.assign(tune="", tuning="", tuning_flops=np.nan)
    section, curves, costs = analysed(plain, curves.drop(columns=["method", "target", "seed"]))
    without = break_even(section, curves, costs).set_index(["method", "unit", "ancestor"]).loc["wave", "flops", "with"]
    for side in ("per_size", "scratch_per_size"):
        assert with_tuning[side] - without[side] == pytest.approx(1.5e11)
    assert with_tuning["fixed"] == without["fixed"] == 8e12


def test_energy_is_shared_like_time(make_frames):
    runs, _ = make_frames(methods=("wave",), depths=(2,), seeds=1)
    runs["device"], runs["workers_on_device"], runs["ancestor_workers"] = "cuda", 4, 1
    runs["energy_joules"], runs["ancestor_energy_joules"] = 100.0, 7.0
    shared = with_units(runs)
    assert shared[["train_energy_joules", "ancestor_energy_joules"]].iloc[0].tolist() == [25.0, 7.0]


def test_device_hours_share_gpus_not_cores(make_frames):
    runs, _ = make_frames(methods=("wave",), depths=(2,), seeds=1)
    runs["train_seconds"], runs["workers_on_device"], runs["threads"] = 3600.0, 4, 2
    assert with_units(runs)["train_device_hours"].tolist() == [2.0]  # two cores for an hour
    runs["device"] = "cuda"
    assert with_units(runs)["train_device_hours"].tolist() == [0.25]  # a quarter of one GPU
    runs["devices"] = 8
    runs["ancestor_workers"], runs["ancestor_seconds"] = 1, 7200.0
    assert with_units(runs)[["train_device_hours", "ancestor_device_hours"]].iloc[0].tolist() == [2.0, 16.0]
    runs["ancestor_devices"] = 2
    assert with_units(runs)["ancestor_device_hours"].tolist() == [4.0]


def test_storage_against_one_model_per_size(make_frames):
    runs, _ = make_frames(methods=("random", "wave"), depths=(2, 4))
    costs = of(runs)
    params = runs.drop_duplicates("target")["params"].sum()
    assert costs.loc["wave", ["stored_params", "models_params", "models_bytes"]].tolist() == [
        40_000,
        params,
        4 * params,
    ]
    assert costs.loc["wave", "storage_ratio"] == pytest.approx(params / 40_650)
    assert math.isnan(costs.loc["random", "storage_ratio"])


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
        # 3000 + 200 n = 800 n at n = 5; without the ancestor 1000 + 200 n = 800 n at 1.67
        ("wave", "with"): [3000, 200, 800, False, 5.0, "from 5 sizes"],
        ("wave", "without"): [1000, 200, 800, False, 1000 / 600, "from 2 sizes"],
        # 2000 + 200 n = 400 n at n = 10; without it nothing is fixed
        ("weight_selection", "with"): [2000, 200, 400, False, 10.0, "from 10 sizes"],
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
        (1200, 400, 1000, True, 2.0, "from at most 2 sizes"),
        (300, 400, 1000, True, 0.5, "from 1 size"),
        (100, 50, 50, False, math.inf, "never"),
        (0, 50, 50, False, 0.0, "from 1 size"),
        (0, 60, 50, False, math.inf, "never"),
        (math.nan, 60, 50, False, math.nan, "cannot tell"),
    ],
)
def test_crossing(fixed, per_size, scratch, bound, sizes, words):
    found = crossing(fixed, per_size, scratch, bound)
    assert found == pytest.approx(sizes, nan_ok=True)
    assert verdict(found, bound) == words


def test_reach_by_hand(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,), seeds=3, epochs=4)
    random, wave = (curves["run"].str.startswith(m) for m in ("random", "wave"))
    curves.loc[random, "top1"] = np.tile([10.0, 20, 30, 40, 50], 3)
    # goal 50: seed 0 has it at the start, seed 1 after one epoch, seed 2 never: the median is one epoch
    curves.loc[wave, "top1"] = [60.0, 70, 80, 80, 80, 40, 50, 60, 60, 60, 1, 2, 3, 4, 5]
    runs.loc[runs["method"] == "random", "top1"] = 50.0
    section, own, _ = analysed(runs, curves)
    frame = reach(section, own).set_index(["method", "factor"])
    epoch = runs["train_flops"][0] / 4
    assert frame.loc[("random", 1.0), ["goal", "n", "reached", "epochs", "speedup"]].tolist() == [50, 3, 3, 4, 1]
    row = frame.loc[("wave", 1.0)]
    assert row[["n", "reached", "epochs"]].tolist() == [3, 2, 1]
    assert (row["flops"], row["speedup"]) == (pytest.approx(epoch), pytest.approx(4.0))
    assert row["flops_with_init"] == pytest.approx(epoch + 1e10)
    assert row["flops_alone"] == pytest.approx(epoch + 1e10 + 8e12)
    assert frame.loc[("random", 1.5), ["reached", "epochs"]].tolist() == [0, math.inf]
    assert frame.loc[("wave", 1.5), ["goal", "reached", "epochs"]].tolist() == [75, 1, math.inf]


def test_no_random_no_goal(make_frames):
    section, own, costs = analysed(*make_frames(methods=("sws", "wave")))
    assert len(reach(section, own)) == 0
    frame = break_even(section, own, costs)
    assert frame["scratch_per_size"].isna().all()
    assert set(frame["verdict"]) == {"cannot tell"}


def test_a_goal_is_reached_whatever_rounding_does_to_its_multiple(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,))
    runs.loc[runs["method"] == "random", "top1"] = 100 * 60 / 360
    curves.loc[curves["run"].str.startswith("wave"), "top1"] = 100 * 75 / 360  # 1.25 times as many images
    assert 1.25 * (100 * 60 / 360) > 100 * 75 / 360
    section, own, _ = analysed(runs, curves)
    assert reach(section, own).set_index(["method", "factor"]).loc[("wave", 1.25), "reached"] == 3


def test_goals_above_100_percent_are_left_out_for_all_seeds(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2, 4))
    runs.loc[(runs["method"] == "random") & (runs["depth"] == 4), "top1"] = [60.0, 79.0, 81.0]  # 1.25 x 81 > 100
    section, own, _ = analysed(runs, curves)
    frame = reach(section, own)
    factors = frame.groupby("target")["factor"].unique().map(list).to_dict()
    assert factors == {"L2-d64": [1.0, 1.25, 1.5], "L4-d64": [1.0]}
    assert set(frame["n"]) == {3}


def test_a_shared_teacher_counts_once(make_frames):
    runs, _ = make_frames(methods=("wave",), depths=(2, 4), seeds=2)
    costs = {"a": 1.0, "b": 2.0, "teacher": 10.0}
    for depth, own in ((2, "a"), (4, "b")):
        each = {id: {"ancestor_flops": costs[id], "ancestor_seconds": 3600.0} for id in (own, "teacher")}
        here = runs["depth"] == depth
        runs.loc[here, ["ancestor", "ancestor_each"]] = [f"{own} teacher", json.dumps(each)]
        runs.loc[here, "ancestor_flops"] = costs[own] + costs["teacher"]
    row = of(runs).loc["wave"]
    assert (row["flops_ancestor"], row["device_hours_ancestor"], row["ancestors"]) == (13.0, 3.0, 2)
    assert row["flops_total"] == 13 + row["flops_learngene"] + row["flops_init"] + row["flops_train"]
    runs["ancestor_each"] = ""  # a file from before: only the sums are known
    assert of(runs).loc["wave", "flops_ancestor"] == 23.0


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
        assert row[["fixed", "break_even", "verdict"]].tolist() == [3000, 7.5, "from 8 sizes"]
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


def test_with_a_teacher_is_not_from_scratch(make_frames):
    runs, curves = make_frames(methods=("random", "wave"))
    runs["control"] = "trained for long"
    assert len(reach(*analysed(runs, curves)[:2]))
    for column, value in (("needs", "images+labels+teacher"), ("ancestor", "what its runs distil from")):
        assert len(reach(*analysed(runs.assign(**{column: value}), curves)[:2])) == 0
