"""What it costs to reach what random initialisation reaches."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from bench.report.analysis.break_even import break_even
from bench.report.analysis.reach import reach, reference
from tests.bench.report.report_frames import analysed


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


def test_of_runs_with_the_same_seed_the_last_says_the_goal(make_frames):
    """As the caution about them says."""
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,), seeds=3)
    again = runs[runs["method"] == "random"].assign(run=lambda rows: rows["run"] + "-again", top1=20.0)
    section, own, costs = analysed(pd.concat([runs, again], ignore_index=True), curves)
    frame = reach(section, own).set_index(["method", "factor"])
    assert frame.loc[("wave", 1.0), ["goal", "n"]].tolist() == [20, 3]
    assert set(break_even(section, own, costs)["method"]) == {"wave"}


def test_where_a_cost_is_infinite_nothing_is_warned_of(make_frames, recwarn):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,))
    section, own, _ = analysed(runs.assign(workers_on_device=0, device="cuda"), curves)
    assert reach(section, own)["device_hours"].isin([0, math.inf]).any() and not recwarn.list


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


def test_with_a_teacher_is_not_from_scratch(make_frames):
    runs, curves = make_frames(methods=("random", "wave"))
    runs["control"] = "trained for long"
    assert len(reach(*analysed(runs, curves)[:2]))
    for column, value in (("needs", "images+labels+teacher"), ("ancestor", "what its runs distil from")):
        assert len(reach(*analysed(runs.assign(**{column: value}), curves)[:2])) == 0


@pytest.mark.parametrize(
    "against, better, expected",
    [
        ([], "moco", "random"),  # no family is declared: its name decides
        (["moco"], "random", "moco"),
        (["random"], "moco", "random"),
        (["random", "moco"], "random", "random"),
        (["random", "moco"], "moco", "moco"),
        (["wave"], "moco", "random"),
    ],
)
def test_the_goal_is_the_best_random_start_that_a_declared_family_is_against(make_frames, against, better, expected):
    runs, curves = make_frames(methods=("random", "moco", "wave", "sws"), depths=(2, 4))
    runs["method_use"] = runs["method"].replace("moco", "random")
    runs.loc[runs["method"].isin(["random", "moco"]), "top1"] = 40.0
    runs.loc[(runs["method"] == better) & (runs["depth"] == 4), "top1"] = 50.0
    families = {f"to_{label}": {"against": label, "labels": ["sws"]} for label in against}
    section, own, _ = analysed(runs.assign(families=json.dumps(families) if families else ""), curves)
    assert reference(section) == expected
    goals = reach(section, own).query("factor == 1").drop_duplicates("target")["goal"].tolist()
    assert goals == [40.0, 50.0 if better == expected else 40.0]


def test_without_any_result_of_a_declared_start_the_first_sets_the_goal(make_frames):
    runs, curves = make_frames(methods=("random", "moco", "sws"), depths=(2,))
    runs["method_use"] = runs["method"].replace("moco", "random")
    runs["families"] = json.dumps(
        {f"to_{label}": {"against": label, "labels": ["sws"]} for label in ("moco", "random")}
    )
    runs.loc[runs["method"] != "sws", ["status", "top1"]] = "failed", np.nan
    assert reference(analysed(runs, curves)[0]) == "random"
