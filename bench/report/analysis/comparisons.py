"""comparisons.csv: paired differences between labels at the same cells and seeds, family by family, and verdicts.

A row per family, target and pair, and one over all targets of the family. Within a family and target, p-values are
Holm-corrected over its pairs, those of the tests of equivalence likewise. Verdicts are of filled families alone:

    ahead, behind: the first label, at 95%: p_holm < 0.05
    level:         no such difference, and the mean lies within the family's margin at 95%: p_equivalence_holm < 0.05
    open:          neither is shown; also with fewer than 3 seeds
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.families import PairFamily, families_of, missing
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW, LEVEL, Paired, equivalence, holm, paired

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

ALL = "all targets"
AHEAD, BEHIND, LEVEL_WITH, OPEN, NONE = "ahead", "behind", "level", "open", ""
TURNED = {AHEAD: BEHIND, BEHIND: AHEAD}  # a verdict, said of the other label
COLUMNS = ["suite", "dataset", "family", "metric", "target", "method_a", "method_b", "n", "cells", "difference", "std"]
COLUMNS += ["low", "high", "interval", "p", "p_holm", "margin", "p_equivalence", "p_equivalence_holm", "verdict"]


def compare(section: Section) -> DataFrame:
    """Return the rows of all families of a section."""
    import pandas as pd

    frames = [_of_family(section, family) for family in families_of(section)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def _of_family(section: Section, family: PairFamily) -> DataFrame:
    """A row per pair of the family and target, and one over all its targets: difference a - b, paired by seed.

    Over all targets, a seed's difference is its mean over the cells that both labels have finished for all their common
    seeds (`cells` says how many these are).
    """
    import pandas as pd

    pairs = [pair for pair in family.pairs if set(pair) <= set(section.methods)]
    index = np.array([[section.methods.index(label) for label in pair] for pair in pairs], dtype=int).reshape(-1, 2)
    targets = family.of(section)
    places = [section.targets.index(target) for target in targets]
    cube = section.scores(family.metric)[:, places]
    difference = cube[:, :, index[:, 0]] - cube[:, :, index[:, 1]]  # [seeds, targets, pairs]
    overall, cells = _over_targets(difference)
    filled = not missing(section, family)
    parts = []
    for scope, values in [*zip(targets, difference.transpose(1, 0, 2), strict=True), (ALL, overall)]:
        result = paired(values, 0.0)
        columns: dict[str, Any] = {
            "suite": section.suite,
            "dataset": section.dataset,
            "family": family.name,
            "metric": family.metric,
            "target": scope,
            "method_a": [a for a, _ in pairs],
            "method_b": [b for _, b in pairs],
            "n": result.n,
            "cells": cells if scope == ALL else (result.n > 0).astype(int),
            "difference": result.mean,
            "std": result.std,
            "low": result.low,
            "high": result.high,
            "interval": np.where(result.n >= 2, "t", ""),
        }
        columns |= tested(result, family.margin, filled)
        parts.append({name: np.broadcast_to(column, len(pairs)) for name, column in columns.items()})
    frame = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in COLUMNS})
    return frame[frame["n"] > 0].reset_index(drop=True)


def tested(result: Paired, margin: float | None, filled: bool) -> dict[str, Any]:
    """Return p-values of the pairs of a family at one target, and verdicts where the family is filled."""
    enough = (result.n >= FEW) & filled
    level = equivalence(result, margin) if margin else np.full(result.mean.shape, np.nan)
    p_holm, level_holm = (holm(np.where(enough, p, np.nan)) for p in (result.p, level))
    differs, is_level = p_holm < 1 - LEVEL, level_holm < 1 - LEVEL
    side = np.where(result.mean > 0, AHEAD, BEHIND)
    verdict = np.where(differs, side, np.where(is_level, LEVEL_WITH, OPEN)) if filled else NONE
    return {
        "p": result.p,
        "p_holm": p_holm,
        "margin": np.nan if margin is None else margin,
        "p_equivalence": level,
        "p_equivalence_holm": level_holm,
        "verdict": verdict,
    }


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
    """Return target -> the label that is ahead of every other one there, in whichever family. Targets without such a
    label are absent."""
    cube = section.scores(metric)
    best_of = {}
    rows = comparisons[(comparisons["metric"] == metric) & comparisons["verdict"].isin(list(TURNED))]
    shown = dict(iter(rows.groupby("target", sort=False)[["method_a", "method_b", "verdict"]]))
    for i, target in enumerate(section.targets):
        scored = [m for m, values in zip(section.methods, cube[:, i].T, strict=True) if not np.isnan(values).all()]
        beaten: dict[str, set[str]] = {m: set() for m in scored}
        for a, b, verdict in shown[target].to_numpy().tolist() if target in shown else ():
            winner, loser = (a, b) if verdict == AHEAD else (b, a)
            beaten[winner].add(loser)
        best = [m for m in scored if len(beaten[m]) == len(scored) - 1]
        if len(scored) > 1 and best:
            best_of[target] = best[0]
    return best_of
