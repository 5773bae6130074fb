"""reach.csv: what it costs to reach the accuracy that random initialisation reaches at its end, and multiples of it.

Which label of random initialisation is `reference`'s. Goals are paired by seed: a run has to reach what that label
reached with the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.cost import SHARED, paid
from bench.report.analysis.families import declared
from bench.report.analysis.sections import Section, once

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

FACTORS = (1.0, 1.25, 1.5)  # times the accuracy that random reaches at its end
ROUNDING = 1e-9  # points: 1.5 x 40% is not quite 60%
COSTS = ["epochs", "images", "flops", "device_hours", "flops_with_init", "flops_alone", "flops_low", "flops_high"]
AXES = ("epoch", "images", "flops", "device_hours")  # what a learning curve can be read against
LOOK = ["run", "method", "target", "seed", *AXES, "top1"]


@once
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


@once
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


@dataclass(frozen=True, eq=False)
class Evaluations:
    """The evaluations of some runs, those of one run after the other; `first`: [runs], the place of each one's first.

    runs: a row for each with method, target and seed. top1: [evaluations], in percent. spent: [evaluations, AXES].
    """

    runs: DataFrame
    first: NDArray[np.intp]
    top1: NDArray[np.float64]
    spent: NDArray[np.float64]

    @classmethod
    def of(cls, looks: DataFrame) -> Evaluations:
        """Return those of a frame (see `looks`)."""
        import pandas as pd

        looks = looks.iloc[np.argsort(pd.factorize(looks["run"])[0], kind="stable")]
        first = np.flatnonzero(~looks["run"].duplicated())
        top1, *spent = (looks[name].to_numpy(dtype=float, na_value=np.nan) for name in ("top1", *AXES))
        return cls(looks.iloc[first][LOOK[:4]].reset_index(drop=True), first, top1, np.stack(spent, axis=1))

    def goals(self, finals: Mapping[tuple[str, int], float]) -> NDArray[np.float64]:
        """Return [runs] from (target, seed) -> top-1; NaN for runs without a goal."""
        cells = zip(self.runs["target"].tolist(), self.runs["seed"].tolist(), strict=True)
        return np.array([finals.get(cell, np.nan) for cell in cells], dtype=float)

    def reaching(self, goals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each run had used when it reached its goal, by a straight line from the last evaluation below it
        to the first one at or above it; and what these two, the bracket, had used: [3, runs, AXES].

        goals: [runs], top-1. Infinite where the goal is never reached, NaN where there is none. How often a run was
        evaluated moves the bracket's ends, not what lies between.
        """
        places = np.arange(len(self.top1))
        goal = np.repeat(goals, np.diff(self.first, append=len(places)))
        there = np.minimum.reduceat(np.where(self.top1 >= goal - ROUNDING, places, len(places)), self.first)
        run = np.flatnonzero(there < len(places))
        high, low = there[run], np.maximum(there[run] - 1, 0)
        unseen = high == self.first[run]  # at the goal when first evaluated, so anything from 0 on may have been enough
        with np.errstate(divide="ignore", invalid="ignore"):
            share = ((goals[run] - self.top1[low]) / (self.top1[high] - self.top1[low])).clip(0, 1)
            least, most = np.where(unseen[:, None], 0.0, self.spent[low]), self.spent[high]
            between = least + np.where(unseen, 1.0, share)[:, None] * (most - least)
        used = np.full((3, len(goals), len(AXES)), np.inf)
        used[:, run] = between, least, most
        used[:, np.isnan(goals)] = np.nan
        return used


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
    mine = section.done[section.done["method"] == label]
    finals = dict(zip(zip(mine["target"], mine["seed"], strict=True), mine["top1"], strict=True))
    evaluations = Evaluations.of(looks(section, curves))
    costs = paid(section).set_index("run").reindex(evaluations.runs["run"])
    goals = {factor: evaluations.goals(_possible(finals, factor)) for factor in FACTORS}
    parts = [_costs(evaluations, goal, costs).assign(factor=factor) for factor, goal in goals.items()]
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


def _possible(finals: Mapping[tuple[str, int], float], factor: float) -> dict[tuple[str, int], float]:
    """(target, seed) -> a multiple, without the targets where a seed's is above 100%: the others alone would be a
    choice of poor seeds."""
    goals = {cell: factor * top1 for cell, top1 in finals.items()}
    above = {target for (target, _), goal in goals.items() if goal > 100}
    return {cell: goal for cell, goal in goals.items() if cell[0] not in above}


def _costs(evaluations: Evaluations, goals: NDArray[np.float64], paid: DataFrame) -> DataFrame:
    """Of what each run had used when it reached its goal: medians, counts and mean goal per target and method.

    goals: [runs]. paid: a row of all costs for each run."""
    import pandas as pd

    known = ~np.isnan(goals)
    used, low, high = evaluations.reaching(goals)
    flops = used[:, AXES.index("flops")]
    init = flops + paid["init_flops"].to_numpy()
    alone = init + sum(paid[f"{stage}_flops"].to_numpy() for stage in SHARED)
    ends = [end[:, AXES.index("flops")] for end in (low, high)]
    groups = evaluations.runs[known].groupby(["target", "method"])
    place = groups.ngroup().to_numpy()
    medians = upper_median(np.column_stack([used, init, alone, *ends])[known], place)
    frame = pd.DataFrame(medians, columns=COSTS, index=groups.size().index)
    reached = np.bincount(place, weights=np.isfinite(used[known, 0])).astype(int)
    mean = pd.Series(goals[known]).groupby(place, sort=False).mean().sort_index()
    return frame.assign(n=np.bincount(place), reached=reached, goal=mean.to_numpy()).reset_index()


def upper_median(values: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return [groups, columns] of [runs, columns]: the upper of two middle values, so that infinite ones never average
    with finite ones; NaN are left out.

    groups: [runs], the number of each one's group; each from 0 on has some."""
    sizes = np.bincount(groups)
    first = np.cumsum(sizes) - sizes
    medians = np.empty((len(sizes), values.shape[1]))
    for i, column in enumerate(values.T):
        ordered = column[np.lexsort((column, groups))]  # NaN come last
        known = np.bincount(groups, weights=~np.isnan(column)).astype(int)
        medians[:, i] = ordered[first + known // 2]
    return medians
