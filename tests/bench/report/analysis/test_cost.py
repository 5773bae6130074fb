"""Cost is counted once where it is shared."""

import json
import math

import numpy as np
import pytest

from bench.report.analysis.cost import totals, with_units
from bench.report.analysis.sections import sections
from tests.bench.report.report_frames import tuned


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


def test_tuning_runs_are_a_part_of_the_cost_counted_once_for_all_seeds():
    runs, _ = tuned()
    row = of(runs).loc["wave"]
    assert (row["tunings"], row["flops_tuning"], row["images_tuning"], row["device_hours_tuning"]) == (2, 3e11, 2000, 2)
    assert row["flops_total"] - row["flops_total_without_tuning"] == pytest.approx(3e11)
    assert row["flops_total_without_ancestor"] == pytest.approx(row["flops_total"] - 4e12)


def test_tuning_runs_that_are_not_named_have_an_unknown_cost():
    runs, _ = tuned()
    runs["tuning"], runs["tuning_flops"] = "", np.nan
    row = of(runs).loc["wave"]
    assert math.isnan(row["flops_total"])
    assert row["flops_total_without_tuning"] > 8e12


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
