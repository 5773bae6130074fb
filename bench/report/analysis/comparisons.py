"""comparisons.csv: paired differences between methods at the same cells and seeds, and what holds at 95%."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW, LEVEL, holm, paired

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

ALL = "all targets"
COMPARED = ("top1", "best_top1")  # metrics that methods are compared by


def compare(section: Section, metric: str = "top1") -> DataFrame:
    """Return a row per pair of methods and target, and one over all targets: difference a - b, paired by seed.

    t intervals and p-values; `p_holm` is corrected over the pairs of the same target; `holds`: p_holm < 0.05 with at
    least 3 seeds. Over all targets, a seed's difference is its mean over the cells that both methods have finished
    for all their common seeds (`cells` says how many these are).
    """
    import pandas as pd

    cube = section.scores(metric)
    pairs = np.array(list(combinations(range(len(section.methods)), 2)), dtype=int).reshape(-1, 2)
    difference = cube[:, :, pairs[:, 0]] - cube[:, :, pairs[:, 1]]  # [seeds, targets, pairs]
    overall, cells = _over_targets(difference)
    scopes = [*zip(section.targets, difference.transpose(1, 0, 2), strict=True), (ALL, overall)]
    labels = np.array(section.methods, dtype=object)
    frames = []
    for scope, values in scopes:
        result = paired(values, 0.0)
        p_holm = holm(np.where(result.n >= FEW, result.p, np.nan))
        frames.append(
            pd.DataFrame(
                {
                    "suite": section.suite,
                    "dataset": section.dataset,
                    "metric": metric,
                    "target": scope,
                    "method_a": labels[pairs[:, 0]],
                    "method_b": labels[pairs[:, 1]],
                    "n": result.n,
                    "cells": cells if scope == ALL else (result.n > 0).astype(int),
                    "difference": result.mean,
                    "std": result.std,
                    "low": result.low,
                    "high": result.high,
                    "interval": np.where(result.n >= 2, "t", ""),
                    "p": result.p,
                    "p_holm": p_holm,
                    "holds": p_holm < 1 - LEVEL,
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    return frame[frame["n"] > 0].reset_index(drop=True)


def _over_targets(difference: NDArray) -> tuple[NDArray, NDArray]:
    """[seeds, targets, pairs] -> means over complete cells [seeds, pairs], and the number of these cells [pairs]."""
    known = ~np.isnan(difference)
    seed_used = known.any(axis=1, keepdims=True)
    complete = (known | ~seed_used).all(axis=0) & known.any(axis=0)  # [targets, pairs]
    cells = complete.sum(axis=0)
    total = np.where(complete & known, difference, 0.0).sum(axis=1)
    usable = seed_used[:, 0] & (cells > 0)
    return np.where(usable, total / np.maximum(cells, 1), np.nan), cells


def winners(section: Section, comparisons: DataFrame, metric: str = "top1") -> dict[str, str]:
    """Return target -> the method whose advantage over every other holds at 95%. Targets without such a method are
    absent."""
    cube = section.scores(metric)
    best_of = {}
    rows = comparisons[comparisons["metric"] == metric]
    for i, target in enumerate(section.targets):
        scored = [m for m, values in zip(section.methods, cube[:, i].T, strict=True) if not np.isnan(values).all()]
        here = rows[(rows["target"] == target) & rows["holds"]]
        beaten: dict[str, set[str]] = {m: set() for m in scored}
        for a, b, difference in zip(here["method_a"], here["method_b"], here["difference"], strict=True):
            winner, loser = (a, b) if difference > 0 else (b, a)
            beaten[winner].add(loser)
        best = [m for m in scored if len(beaten[m]) == len(scored) - 1]
        if len(scored) > 1 and best:
            best_of[target] = best[0]
    return best_of
