"""reach.csv: what it costs to reach the accuracy that random initialisation reaches at its end, and multiples of it.

Which label of random initialisation is `reference`'s. Goals are paired by seed: a run has to reach what that label
reached with the same seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.cost import SHARED, paid
from bench.report.analysis.families import declared
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from pandas.api.typing import DataFrameGroupBy

FACTORS = (1.0, 1.25, 1.5)  # times the accuracy that random reaches at its end
ROUNDING = 1e-9  # points: 1.5 x 40% is not quite 60%
COSTS = ["epochs", "images", "flops", "device_hours", "flops_with_init", "flops_alone", "flops_low", "flops_high"]
AXES = ("epoch", "images", "flops", "device_hours")  # what a learning curve can be read against
LOOK = ["run", "method", "target", "seed", *AXES, "top1"]


def scratch_labels(section: Section) -> list[str]:
    """Return labels of random initialisation trained without a teacher: what "from scratch" means here.

    Random initialisation reads no ancestor, so one that counts as its cost is what its runs distil from.
    """
    runs = section.runs
    taught = set(runs.loc[runs["needs"].str.contains("teacher", na=False) | (runs["ancestor"] != ""), "method"])
    return [label for label in section.methods if section.use[label] == "random" and label not in taught]


def reference(section: Section) -> str | None:
    """Return the label of random initialisation whose accuracy sets the goal: the most accurate of those that declared
    families compare with, so that nothing is measured by the weaker start; without any `random` itself, else the first.
    """
    labels = scratch_labels(section)
    floors = [label for label in labels if any(label in family.references for family in declared(section))]
    if floors:
        done = section.done[section.done["method"].isin(floors)]
        means = done.groupby(["method", "target"])["top1"].mean().groupby("method").mean().reindex(floors)
        return means.idxmax() if means.notna().any() else floors[0]
    return "random" if "random" in labels else next(iter(labels), None)


def looks(section: Section, curves: DataFrame) -> DataFrame:
    """Return the evaluations of the section's runs with AXES and top1: its curves, with `device_hours` so far (see
    cost.with_units), and of runs without a curve their two ends."""
    import pandas as pd

    runs = paid(section).set_index("run")
    rate = runs["train_device_hours"] / runs["train_seconds"].replace(0, np.nan)
    curves = curves.assign(device_hours=curves["seconds"] * curves["run"].map(rate)).dropna(subset="top1")[LOOK]
    bare = runs[~runs.index.isin(curves["run"])].reset_index()
    units = {unit: f"train_{unit}" for unit in ("images", "flops", "device_hours")}
    keys = bare[LOOK[:4]]
    start = keys.assign(**dict.fromkeys(AXES, 0.0), top1=bare["top1_init"])
    end = keys.assign(epoch=bare["epochs"], top1=bare["top1"], **{unit: bare[name] for unit, name in units.items()})
    parts = [part for part in (curves, start.dropna(subset="top1"), end) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else curves


def first_reaching(evaluations: DataFrame, goals: Series) -> DataFrame:
    """Return, for every run with evaluations (see `looks`), what it had used when it reached the goal of its cell and
    seed, by a straight line from the last evaluation below the goal to the first one at or above it.

    goals: (target, seed) -> top-1. Returns rows indexed by run with method, target, seed, goal, AXES, and what these
    two evaluations, the bracket, had used: {axis}_low, {axis}_high; infinite where the goal is never reached. Runs
    without a goal are left out. How often a run was evaluated moves the bracket's ends, not what lies between.
    """
    points = evaluations.merge(goals.rename("goal").reset_index(), on=["target", "seed"])
    runs = points.drop_duplicates("run").set_index("run")[["method", "target", "seed", "goal"]]
    before = points.groupby("run", sort=False)[["top1", *AXES]].shift()  # the evaluation before each
    there = points["top1"] >= points["goal"] - ROUNDING
    first = points.index.isin(points[there].drop_duplicates("run").index)
    high = points[first].set_index("run")
    low = before[first].set_index(high.index)
    unseen = low["top1"].isna()  # at the goal when first evaluated, so anything from 0 on may have been enough
    share = ((high["goal"] - low["top1"]) / (high["top1"] - low["top1"])).clip(0, 1).where(~unseen, 1.0)
    parts: dict[str, Series] = {}
    for axis in AXES:
        least, most = low[axis].where(~unseen, 0.0).astype(float), high[axis].astype(float)
        parts |= {axis: least + share * (most - least), f"{axis}_low": least, f"{axis}_high": most}
    used = high[[]].assign(**parts).reindex(runs.index)
    used.loc[~runs.index.isin(high.index)] = np.inf
    return runs.join(used)


def reach(section: Section, curves: DataFrame) -> DataFrame:
    """Return a row per target, method and factor: the mean goal, how many of n runs reach theirs, medians over the
    runs.

    `epochs`, `images`, `flops`, `device_hours` are of training alone; `flops_with_init` adds the initialisation,
    `flops_alone` also the learngene and the ancestor (what this one size costs by itself). They are interpolated
    between evaluations; `flops_low` and `flops_high` are of the two that bracket the goal. A run that never reaches
    the goal counts as infinite, so a median is infinite ("never") where half of the runs or more do not. `speedup`:
    the reference's training FLOPs over these. No rows where a multiple is above 100% at any seed.
    """
    import pandas as pd

    label = reference(section)
    final = section.done[section.done["method"] == label].set_index(["target", "seed"])["top1"]
    evaluations = looks(section, curves)
    runs = paid(section).set_index("run")
    goals = {factor: _possible(factor * final) for factor in FACTORS}
    parts = [_costs(first_reaching(evaluations, goal), runs).assign(factor=factor) for factor, goal in goals.items()]
    frame = pd.concat(parts, ignore_index=True)
    from_scratch = frame[frame["method"] == label].set_index(["factor", "target"])["flops"]
    keys = pd.MultiIndex.from_frame(frame[["factor", "target"]])
    with np.errstate(divide="ignore", invalid="ignore"):
        frame["speedup"] = from_scratch.reindex(keys).to_numpy() / frame["flops"].to_numpy()
    orders = {"target": section.targets, "method": section.methods}
    places = {f"{name} place": frame[name].map(order.index) for name, order in orders.items()}
    frame = frame.assign(**places).sort_values(["target place", "factor", "method place"], ignore_index=True)
    front = {"suite": section.suite, "dataset": section.dataset}
    columns = ["target", "method", "factor", "goal", "n", "reached", *COSTS, "speedup"]
    return frame[columns].assign(**front)[[*front, *columns]]


def _possible(goals: Series) -> Series:
    """Without the targets where a seed's goal is above 100%: the others alone would be a choice of poor seeds."""
    return goals[goals.groupby("target").transform("max") <= 100]


def _costs(used: DataFrame, runs: DataFrame) -> DataFrame:
    """Of what each run had used when it reached its goal: medians, counts and mean goal per target and method."""
    init = used["flops"] + runs["init_flops"].reindex(used.index)
    shared = sum(runs[f"{stage}_flops"].reindex(used.index) for stage in SHARED)
    used = used.assign(flops_with_init=init, flops_alone=init + shared, reached=np.isfinite(used["epoch"]), n=1)
    groups = used.rename(columns={"epoch": "epochs"}).groupby(["target", "method"], sort=False)
    counts = groups.agg(n=("n", "sum"), reached=("reached", "sum"), goal=("goal", "mean"))
    return upper_median(groups[COSTS]).join(counts).reset_index()


def upper_median(groups: DataFrameGroupBy) -> DataFrame:
    """Return the upper of two middle values, so that infinite ones never average with finite ones."""
    return groups.quantile(0.5, interpolation="higher")
