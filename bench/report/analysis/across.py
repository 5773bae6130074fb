"""Joined results of several kinds of device: how far the numbers of the same runs lie apart (shift.csv), and labels of
one device against labels of another through those that both have run (across.csv).

Rounding differs between kinds of device and training carries it on, so that equal seeds are no pairs there, and a mean
over labels may move. A comparison of a (block p) with b (block q) is therefore indirect: the difference of a to the
labels that both blocks have run, on p, less the same of b, on q, each per seed and over the targets that both have; the
two are compared by Welch's t-test, Holm-corrected over the pairs of two blocks. It assumes that the shift is about the
same for all labels: shift.csv shows it for those that tell. Source: Bucher et al., J. Clin. Epidemiol. 50 (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.comparisons import AHEAD, BEHIND, OPEN
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW, LEVEL, holm, intervals, welch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

SHIFT = ["suite", "dataset", "block_a", "block_b", "method_a", "method_b", "n", "cells", "shift", "low", "high"]
ACROSS = ["suite", "dataset", "block_a", "block_b", "method_a", "method_b", "through", "n_a", "n_b", "cells"]
ACROSS += ["difference", "low", "high", "p", "p_holm", "verdict"]


@dataclass(frozen=True)
class Pair:
    """Two blocks of one setting, and the labels whose runs are the same in both wherever both have a cell: (label in a,
    label in b)."""

    a: str
    b: str
    shared: list[tuple[str, str]]


def pairs(section: Section) -> list[Pair]:
    """Return all pairs of blocks that results may be compared between, with or without labels in common."""
    if len(section.blocks) < 2:
        return []
    runs = section.done.assign(identity=[run.partition("@")[0] for run in section.done["run"]])
    cells = ["dataset", "target", "seed"]
    first = section.runs.drop_duplicates("block").set_index("block")["setting"]
    block_pairs = []
    for a, b in combinations(section.blocks, 2):
        if first[a] is not first[b] and first[a] != first[b]:
            continue
        x, y = (runs[runs["block"] == block][["identity", "method", *cells]] for block in (a, b))
        both = x.merge(y, on=cells)
        both = both.assign(same=both["identity_x"] == both["identity_y"])
        labels = both[both["same"]].groupby(["method_x", "method_y"], sort=False).size().index.tolist()
        other = set(both[~both["same"]][["method_x", "method_y"]].itertuples(index=False, name=None))
        block_pairs.append(Pair(a, b, [names for names in labels if names not in other]))
    return block_pairs


def shift(section: Section) -> DataFrame:
    """Return a row per label that two blocks have run: block b minus block a, over runs of the same identity, and
    last one over all of these labels."""
    import pandas as pd

    rows = []
    cube = section.scores()
    for pair in pairs(section):
        differences = {names: _of(section, cube, names[1]) - _of(section, cube, names[0]) for names in pair.shared}
        for (first, second), values in differences.items():
            rows.append(_row(section, pair, first, second, values))
        if len(differences) > 1:
            rows.append(_row(section, pair, "all of these", "all of these", _mean(list(differences.values()))))
    return pd.DataFrame(rows, columns=SHIFT)


def across(section: Section) -> DataFrame:
    """Return a row per pair of labels of two blocks that are not shared, through those that are."""
    import pandas as pd

    frames = [_indirect(section, pair) for pair in pairs(section) if pair.shared]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=ACROSS)


def _indirect(section: Section, pair: Pair) -> DataFrame:
    import pandas as pd

    cube = section.scores()
    anchors = [[names[side] for names in pair.shared] for side in (0, 1)]
    common = _above(section, cube, anchors)
    labels = [[m for m in section.blocks[block] if m not in anchors[i]] for i, block in enumerate((pair.a, pair.b))]
    rows = []
    for a in labels[0]:
        for b in labels[1]:
            values = [common[i][:, :, section.methods.index(label)] for i, label in enumerate((a, b))]
            targets = ~np.isnan(values[0]).all(axis=0) & ~np.isnan(values[1]).all(axis=0)
            if not targets.any():
                continue
            x, y = (v[:, targets].mean(axis=1) for v in values)  # of seeds that have all these targets
            result = welch(x[~np.isnan(x)], y[~np.isnan(y)])
            through = ", ".join(anchors[0])
            where = [section.suite, section.dataset, pair.a, pair.b, a, b, through, result.n_a, result.n_b]
            rows.append([*where, int(targets.sum()), result.difference, result.low, result.high, result.p])
    frame = pd.DataFrame(rows, columns=ACROSS[:-2])
    enough = frame[["n_a", "n_b"]].min(axis=1) >= FEW
    frame["p_holm"] = holm(frame["p"].where(enough).to_numpy(dtype=float))
    side = np.where(frame["difference"] > 0, AHEAD, BEHIND)
    frame["verdict"] = np.where(frame["p_holm"] < 1 - LEVEL, side, OPEN)
    return frame


def _above(section: Section, cube: NDArray, anchors: list[list[str]]) -> list[NDArray]:
    """For each of two blocks [seeds, targets, methods]: scores above the mean of its anchors, at each target of those
    that both blocks have finished there."""
    places = [[section.methods.index(label) for label in labels] for labels in anchors]
    scored = [~np.isnan(cube[:, :, place]).all(axis=0) for place in places]  # [targets, anchors]
    usable = scored[0] & scored[1]
    return [cube - _mean_of(cube[:, :, place], usable)[:, :, None] for place in places]


def _mean_of(scores: NDArray, usable: NDArray) -> NDArray:
    """[seeds, targets, anchors] -> the mean over a target's usable anchors; NaN where a seed lacks one of them."""
    total = np.where(usable, scores, 0.0).sum(axis=2)
    return np.where(usable.any(axis=1), total / np.maximum(usable.sum(axis=1), 1), np.nan)


def _of(section: Section, cube: NDArray, label: str) -> NDArray:
    return cube[:, :, section.methods.index(label)]


def _mean(values: list[NDArray]) -> NDArray:
    """The mean over labels, of those that have a cell."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    return np.where(known.any(axis=0), np.nansum(stacked, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def _row(section: Section, pair: Pair, first: str, second: str, values: NDArray) -> list:
    """values: [seeds, targets]."""
    known = ~np.isnan(values)
    targets = known.any(axis=0)
    complete = known[:, targets].all(axis=1)
    result = intervals(values[complete][:, targets].mean(axis=1, keepdims=True), bootstrap=False)
    mean, low, high = (float(v[0]) for v in (result.mean, result.low, result.high))
    where = [section.suite, section.dataset, pair.a, pair.b, first, second, int(result.n[0]), int(targets.sum())]
    return [*where, mean, low, high]
