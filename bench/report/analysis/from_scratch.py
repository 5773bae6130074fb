"""What training from random initialisation needs to be as accurate as a method at each of its sizes: see break_even."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.report.analysis.reach import AXES, Evaluations, upper_median
from bench.report.analysis.sums import SEED, for_all_sizes, fullest_seeds, sizes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

UNITS = ("flops", "images", "device_hours")
ENDS = ("", "_low", "_high")  # of a bracket, after the number itself


@dataclass(frozen=True, eq=False)
class Scratch:
    """What runs from random initialisation, `runs` of a section, used when they were evaluated."""

    runs: DataFrame
    evaluations: Evaluations
    whole_runs: dict[tuple[str, ...], WholeRuns] = field(default_factory=dict, init=False)

    def reaching(
        self, finals: Mapping[tuple[str, int], float]
    ) -> tuple[dict[str, dict[str, tuple[float, float]]], bool]:
        """Return unit -> end of a bracket -> (fixed, mean over sizes) of what these need for the accuracies of a
        method; and whether that is a lower bound, the low end and an infinite high one.

        finals: (target, seed) -> top-1.
        """
        import pandas as pd

        targets = tuple(dict.fromkeys(target for target, _ in finals))
        whole = self.whole(targets)
        goals = self.evaluations.goals(finals)
        known = ~np.isnan(goals)
        runs = self.evaluations.runs[known]
        of_target = pd.Index(targets).get_indexer(runs["target"])
        of_label = pd.Index(whole.labels).get_indexer(runs["method"])
        assert not ((of_target < 0) | (of_label < 0)).any(), "a run of a target or label that is not among these"
        unique, groups = np.unique(of_target * len(whole.labels) + of_label, return_inverse=True)
        cells = np.stack(np.divmod(unique, max(1, len(whole.labels))), axis=1)
        used = self.evaluations.reaching(goals)[:, known][:, :, [AXES.index(unit) for unit in UNITS]]
        medians = upper_median(used.transpose(1, 0, 2).reshape(len(runs), len(ENDS) * len(UNITS)), groups)
        spent = np.full((len(targets), len(whole.labels), len(ENDS), len(UNITS)), np.nan)
        spent[tuple(cells.T)] = medians.reshape(-1, len(ENDS), len(UNITS))
        never = ~np.isfinite(spent[:, :, 0, UNITS.index("flops")]).any(axis=1)
        some = np.unique(cells[:, 1])  # labels with any run that has a goal
        needed: dict[str, dict[str, tuple[float, float]]] = {unit: {} for unit in UNITS}
        for j, unit in enumerate(UNITS):
            for i, end in enumerate(ENDS):
                by_label = spent[:, some, i, j] + whole.per_size[:, some, j]
                needed[unit][end] = least(whole.fixed[some, j], np.where(never[:, None], whole.whole[:, [j]], by_label))
        if bound := bool(never.any()):
            for ends in needed.values():
                ends[""] = ends["_low"]
                ends["_high"] = ends["_low"][0], ends["_low"][1] + math.inf
        return needed, bound

    def whole(self, targets: tuple[str, ...]) -> WholeRuns:
        """Return what these cost from beginning to end at some sizes: most methods have finished the same ones."""
        import pandas as pd

        if targets not in self.whole_runs:
            runs = self.runs[self.runs["target"].isin(targets)]
            fixed, per_size = tuning_of(runs)
            train = runs.groupby(["target", "method"])[[f"train_{unit}" for unit in UNITS]].mean()
            labels = fixed.index.tolist()
            cells = pd.MultiIndex.from_product([targets, labels])
            shape = len(targets), len(labels), len(UNITS)
            of_cells, trained = (frame.reindex(cells).to_numpy().reshape(shape) for frame in (per_size, train))
            dearest = np.fmax.reduce(trained + of_cells, axis=1, initial=np.nan)
            self.whole_runs[targets] = WholeRuns(labels, fixed.to_numpy(), of_cells, dearest)
        return self.whole_runs[targets]


class WholeRuns(NamedTuple):
    """Of random initialisation: its labels; tuning for all sizes [labels, UNITS], that of one size or some [targets,
    labels, UNITS]; with it and the whole training, the dearest [targets, UNITS]."""

    labels: list[str]
    fixed: NDArray[np.float64]
    per_size: NDArray[np.float64]
    whole: NDArray[np.float64]


def tuning_of(runs: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return what tuning cost, a column per unit: by label that for all sizes, mean over seeds, and by target and label
    that of one size or some, of which each has its share."""
    columns = [f"tuning_{unit}" for unit in UNITS]
    fixed = for_all_sizes(fullest_seeds(runs), "tuning", columns)[columns]
    sizes, served = (sizes_of(runs, by) for by in (SEED, [*SEED, "tuning"]))
    share = runs[columns].astype(float).div(served, axis=0)
    share[served == sizes] = 0.0
    per_size = share.groupby([runs["target"], runs["method"]]).mean()
    return fixed.set_axis(list(UNITS), axis=1), per_size.set_axis(list(UNITS), axis=1)


def least(fixed: NDArray[np.float64], spent: NDArray[np.float64]) -> tuple[float, float]:
    """Return (fixed, mean over targets) of the cheapest choice among labels that serves all targets.

    fixed: [labels], paid for each label that is chosen. spent: [targets, labels], of which the chosen label with the
    least serves a target; NaN where it is not known.
    """
    usable = np.isfinite(fixed)
    fixed, spent = fixed[usable], spent[:, usable]
    paid_for = np.flatnonzero(fixed > 0)
    free = np.flatnonzero(fixed == 0).tolist()
    choices = [
        [*free, *some] for n in range(len(paid_for) + 1) for some in combinations(paid_for.tolist(), n) if free or n
    ]
    best = math.nan, math.nan
    for choice in choices:
        cells = np.where(np.isnan(spent[:, choice]), np.inf, spent[:, choice]).min(axis=1)
        cost = float(fixed[choice].sum()), float(cells.mean())
        if np.isfinite(cost[1]) and not cost[0] + len(cells) * cost[1] >= best[0] + len(cells) * best[1]:
            best = cost
    return best
