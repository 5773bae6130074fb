"""break_even.csv: from how many target sizes on a method is cheaper than training each from scratch, equally well.

A method costs fixed + n x per_size for n sizes: an ancestor, teacher or learngene that serves all sizes is fixed, the
others count per size, as the tuning runs do: more sizes take more. From scratch costs n x scratch_per_size: what
random initialisation needs, along its learning curves, to reach the accuracy that the method reaches at its end, and
its own tuning. Between two evaluations the curve is a straight line; the two bracket what is needed, and so the
break-even. Where no random run reaches it, all that the longest one cost is a lower bound, the break-even an upper one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.cost import OWN, for_all_sizes, fullest_seeds, paid, paid_apart
from bench.report.analysis.reach import first_reaching, looks, scratch_labels, upper_median
from bench.report.analysis.sections import Section, by_label, once

if TYPE_CHECKING:
    from pandas import DataFrame, Series

STAGES = ("ancestor", "learngene")
UNITS = ("flops", "images", "device_hours")
ENDS = ("", "_low", "_high")  # of a bracket, after the number itself
OPPOSITE = ("", "_high", "_low")  # the dearer from scratch, the sooner a method pays off


def break_even(section: Section, curves: DataFrame, totals: DataFrame) -> DataFrame:
    """Return a row per method, unit and whether the ancestor counts: fixed, per_size, scratch_per_size, and
    `break_even`, each of the two with its bracket: {name}_low, {name}_high.

    break_even: the number of sizes (real) where both cost the same; 0 where the method is never dearer; infinite
    where it is never cheaper; NaN where the bound does not tell. `verdict` says it in words. Only sizes that the
    method has finished count, and methods that are not themselves random initialisation. `scratch_is_bound`: no random
    run reaches the method at some size, so that scratch_per_size is at least, break_even at most what it says.
    """
    import pandas as pd

    scratch = scratch_labels(section)
    evaluations = looks(section, curves)
    random = Scratch.of(paid(section), evaluations, scratch)
    finals = by_label(paid(section)[["method", "target", "seed", "top1"]])
    rows = []
    for total in totals.to_dict("records"):
        if total["method"] in scratch:
            continue
        needed, bound = random.reaching(finals[total["method"]].set_index(["target", "seed"])["top1"])
        stages = stages_of(section)[total["method"]]
        for unit in UNITS:
            for ancestor in (True, False):
                fixed, per_target = fixed_and_per_size(total, stages, unit, ancestor)
                row = {"method": total["method"], "unit": unit, "ancestor": "with" if ancestor else "without"}
                row |= {"targets": total["targets"], "fixed": fixed, "per_size": per_target}
                from_scratch = needed.loc[unit]
                row |= {f"scratch_per_size{end}": from_scratch[f"cost{end}"] for end in ENDS}
                row["scratch_is_bound"] = bound
                sizes = [crossing(fixed, per_target, from_scratch[f"cost{end}"], bound) for end in OPPOSITE]
                row |= dict(zip((f"break_even{end}" for end in ENDS), sizes, strict=True))
                rows.append(row | {"verdict": verdict(*sizes, is_bound=bound)})
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


def verdict(sizes: float, low: float, high: float, *, is_bound: bool) -> str:
    """Return in words from how many sizes on a method is cheaper; the bracket where its ends differ."""
    if math.isnan(sizes):
        return "cannot tell"
    point, least, most = map(_whole, (sizes, low, high))
    if is_bound:
        return "from 1 size" if point == "1" else f"from at most {point} sizes"
    words = "never" if point == "never" else f"from {point} size{'' if point == '1' else 's'}"
    return words if least == most else f"{words} (bracket {least} to {most})"


def _whole(sizes: float) -> str:
    return "never" if math.isinf(sizes) else str(max(1, math.ceil(sizes - 1e-9)))


@once
def stages_of(section: Section) -> dict[str, dict[str, tuple[dict[str, float], dict[str, float]]]]:
    """Label -> stage -> {stage}_{unit} of what serves all sizes of it, and of the rest, which grows with their
    number."""
    columns = {stage: [f"{stage}_{unit}" for unit in UNITS] for stage in STAGES}
    fullest = fullest_seeds(paid_apart(section))
    parts = {
        stage: [frame.to_dict("index") for frame in for_all_sizes(fullest, stage, names)]
        for stage, names in columns.items()
    }
    return {
        label: {stage: (every[label], rest[label]) for stage, (every, rest) in parts.items()}
        for label in fullest["method"].unique()
    }


def fixed_and_per_size(
    total: dict, stages: dict[str, tuple[dict[str, float], dict[str, float]]], unit: str, ancestor: bool
) -> tuple[float, float]:
    """(fixed, per size) cost of a method, from its row of totals and its stages."""
    alone = sum(total[f"{unit}_{part}"] for part in ("tuning", *OWN))
    parts = [[part[f"{stage}_{unit}"] for part in stages[stage]] for stage in STAGES if ancestor or stage != "ancestor"]
    return sum(fixed for fixed, _ in parts), (alone + sum(rest for _, rest in parts)) / total["targets"]


@dataclass(frozen=True)
class Scratch:
    """What runs from random initialisation used when they were evaluated, and in all, mean per target and label: their
    tuning alone, and with the training."""

    evaluations: DataFrame
    tuning: DataFrame
    whole: DataFrame

    @classmethod
    def of(cls, runs: DataFrame, evaluations: DataFrame, labels: list[str]) -> Scratch:
        """Return it from the paid runs of a section, all evaluations and the labels from scratch."""
        groups = runs[runs["method"].isin(labels)].groupby(["target", "method"])
        train, tuning = (
            groups[[f"{part}_{unit}" for unit in UNITS]].mean().set_axis(list(UNITS), axis=1)
            for part in ("train", "tuning")
        )
        whole = (train + tuning).groupby("target").max()
        return cls(evaluations[evaluations["method"].isin(labels)], tuning, whole)

    def reaching(self, goals: Series) -> tuple[DataFrame, bool]:
        """Return what these need for the accuracies of a method, mean over its sizes, a row per unit with columns cost,
        cost_low and cost_high; and whether it is a lower bound, the low end and an infinite high one.

        goals: (target, seed) -> top-1.
        """
        import pandas as pd

        targets = goals.index.unique("target")
        used = first_reaching(self.evaluations, goals)
        medians = upper_median(used.groupby(["target", "method"])[[f"{unit}{end}" for unit in UNITS for end in ENDS]])
        whole = self.whole.reindex(targets)
        costs = {}
        for end in ENDS:
            spent = medians[[f"{unit}{end}" for unit in UNITS]].set_axis(list(UNITS), axis=1)
            cheapest = (spent + self.tuning.reindex(spent.index)).groupby("target").min().reindex(targets)
            never = ~np.isfinite(cheapest["flops"])  # also where no random run has the cell
            costs[f"cost{end}"] = cheapest.where(~never, whole).mean(skipna=False)
        frame, bound = pd.DataFrame(costs), bool(never.any())
        if bound:
            unknown = frame["cost_low"].isna()
            frame = frame.assign(cost=frame["cost_low"], cost_high=frame["cost_low"].where(unknown, np.inf))
        return frame, bound
