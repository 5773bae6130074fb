"""break_even.csv: from how many target sizes on a method is cheaper than training each from scratch, equally well.

A method costs fixed + n x per_size for n sizes: an ancestor, teacher or learngene that serves all sizes is fixed, the
others count per size, as the tuning runs do: more sizes take more. From scratch costs n x scratch_per_size: what
random initialisation needs, along its learning curves, to reach the accuracy that the method reaches at its end, and
its own tuning. Where no random run reaches it, all that the longest one cost is a lower bound, the break-even an upper
bound.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.cost import OWN, apart, for_all_sizes, fullest_seeds, with_units
from bench.report.analysis.reach import first_reaching, scratch_labels, upper_median, with_hours
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame, Series

STAGES = ("ancestor", "learngene")
UNITS = ("flops", "images", "device_hours")


def break_even(section: Section, curves: DataFrame, totals: DataFrame) -> DataFrame:
    """Return a row per method, unit and whether the ancestor counts: fixed, per_size, scratch_per_size, and
    `break_even`.

    break_even: the number of sizes (real) where both cost the same; 0 where the method is never dearer; infinite
    where it is never cheaper; NaN where the bound does not tell. `verdict` says it in words. Only sizes that the
    method has finished count, and methods that are not themselves random initialisation.
    """
    import pandas as pd

    scratch = scratch_labels(section)
    runs, each = with_units(section.done), with_units(apart(section.done))
    curves = with_hours(section, curves)
    rows = []
    for total in totals.to_dict("records"):
        if total["method"] in scratch:
            continue
        per_size, bound = _scratch(runs, curves, scratch, total["method"])
        stages = _stages(each[each["method"] == total["method"]])
        for unit in UNITS:
            for ancestor in (True, False):
                fixed, per_target = _fixed_and_per_size(total, stages, unit, ancestor)
                row = {"method": total["method"], "unit": unit, "ancestor": "with" if ancestor else "without"}
                row |= {"targets": total["targets"], "fixed": fixed, "per_size": per_target}
                row |= {"scratch_per_size": per_size[unit], "scratch_is_bound": bound}
                row["break_even"] = crossing(fixed, per_target, per_size[unit], bound)
                rows.append(row | {"verdict": verdict(row["break_even"], bound)})
    frame = pd.DataFrame(rows)
    frame.insert(0, "suite", section.suite)
    frame.insert(1, "dataset", section.dataset)
    return frame


def crossing(fixed: float, per_size: float, scratch_per_size: float, is_bound: bool) -> float:
    """Return the n where fixed + n per_size = n scratch_per_size (see `break_even` for 0, infinity and NaN)."""
    if math.isnan(fixed + per_size + scratch_per_size):
        return math.nan
    saved = scratch_per_size - per_size
    if saved > 0:
        return fixed / saved
    if is_bound:
        return math.nan
    return 0.0 if fixed == saved == 0 else math.inf


def verdict(sizes: float, is_bound: bool) -> str:
    if math.isnan(sizes):
        return "cannot tell"
    if math.isinf(sizes):
        return "never"
    whole = max(1, math.ceil(sizes - 1e-9))
    return "from 1 size" if whole == 1 else f"from {'at most ' if is_bound else ''}{whole} sizes"


def _stages(runs: DataFrame) -> dict[str, tuple[Series, Series]]:
    """Stage -> {stage}_{unit} of what serves all sizes of a method, and of the rest, which grows with their number."""
    runs = fullest_seeds(runs)
    return {stage: for_all_sizes(runs, stage, [f"{stage}_{unit}" for unit in UNITS]) for stage in STAGES}


def _fixed_and_per_size(
    total: dict, stages: dict[str, tuple[Series, Series]], unit: str, ancestor: bool
) -> tuple[float, float]:
    """(fixed, per size) cost of a method, from its row of totals and its stages."""
    alone = sum(total[f"{unit}_{part}"] for part in ("tuning", *OWN))
    parts = [[part[f"{stage}_{unit}"] for part in stages[stage]] for stage in STAGES if ancestor or stage != "ancestor"]
    return sum(fixed for fixed, _ in parts), (alone + sum(rest for _, rest in parts)) / total["targets"]


def _scratch(runs: DataFrame, curves: DataFrame, labels: list[str], method: str) -> tuple[Series, bool]:
    """Mean over the method's sizes of what random needs for the method's accuracy, per unit; and if it is a bound."""
    import pandas as pd

    goals = runs[runs["method"] == method].set_index(["target", "seed"])["top1"]
    targets = goals.index.unique("target")
    used = first_reaching(curves[curves["method"].isin(labels)], goals)
    medians = upper_median(used.groupby(["target", "method"])[list(UNITS)])
    random = runs[runs["method"].isin(labels) & runs["target"].isin(targets)]
    groups = random.groupby(["target", "method"])
    train, tuning = (
        groups[[f"{part}_{u}" for u in UNITS]].mean().set_axis(list(UNITS), axis=1) for part in ("train", "tuning")
    )
    cheapest = (medians + tuning.reindex(medians.index)).groupby("target").min().reindex(targets)
    whole = (train + tuning).groupby("target").max().reindex(targets)
    never = ~np.isfinite(cheapest["flops"])  # also where no random run has the cell
    per_target = cheapest.where(~never, whole)
    return pd.Series({u: per_target[u].mean(skipna=False) for u in UNITS}), bool(never.any())
