"""early.csv: whether the order of labels after 10, 25 and 50% of their training holds at its end.

Each run is looked at after a share of its own training, by a straight line between its evaluations; `evaluated` says
what share of runs has an evaluation right there. Means over seeds are ranked, for each target and for the mean over the
targets that all labels have finished.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.comparisons import AHEAD, ALL, BEHIND
from bench.report.analysis.reach import looks
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame, Series

SHARES = (0.1, 0.25, 0.5)
FEWEST = 3  # labels that have an order worth the name
COLUMNS = ["suite", "dataset", "block", "target", "share", "labels", "tau", "pairs", "pairs_kept", "shown_pairs"]
COLUMNS += ["shown_pairs_kept", "best_then", "best_at_end", "evaluated"]


def early(section: Section, curves: DataFrame, comparisons: DataFrame) -> DataFrame:
    """Return a row per target, and for all of them, and share of the training.

    tau: Kendall's rank correlation of the means then and at the end. pairs_kept: how many of `pairs` of labels, whose
    means differ at the end, were in the same order then; shown_pairs: those of them whose difference at the end is
    shown (see comparisons).
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for part in section.by_block():
        mine = curves[curves["method"].isin(part.methods)]
        table = _at_shares(looks(part, mine))
        front = {"suite": section.suite, "dataset": section.dataset, "block": next(iter(part.blocks))}
        for share in SHARES if len(table) else ():
            then, end = (table.groupby(["target", "method"])[name].mean().unstack() for name in (share, "end"))
            evaluated = table.groupby("target")[f"{share} evaluated"].mean()
            whole = then.dropna(axis="columns").columns.intersection(end.dropna(axis="columns").columns)
            means = [(t, then.loc[t], end.loc[t], evaluated[t]) for t in part.targets if t in then.index]
            if len(means) > 1:
                means.append((ALL, then[whole].mean(), end[whole].mean(), evaluated.mean()))
            for target, a, b, at in means:
                shown = _shown(comparisons[comparisons["target"] == target])
                rows += [
                    {**front, "target": target, "share": share, **row, "evaluated": at} for row in _held(a, b, shown)
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _at_shares(evaluations: DataFrame) -> DataFrame:
    """A row per run: its top-1 at each share of its training, whether it was evaluated right there, and at its end."""
    import pandas as pd

    rows = []
    known = evaluations.dropna(subset=["epoch", "top1"])
    for _, run in known.groupby("run", sort=False):
        epochs, top1 = run["epoch"].to_numpy(dtype=float), run["top1"].to_numpy(dtype=float)
        if epochs[-1] <= 0 or epochs[0] > 0:
            continue
        first = run.iloc[0]
        row: dict[Any, Any] = {"method": first["method"], "target": first["target"], "end": top1[-1]}
        for share in SHARES:
            row[share] = np.interp(share * epochs[-1], epochs, top1)
            row[f"{share} evaluated"] = float(np.isclose(epochs, share * epochs[-1]).any())
        rows.append(row)
    return pd.DataFrame(rows)


def _held(then: Series, end: Series, shown: set[frozenset[str]]) -> list[dict[str, Any]]:
    from scipy import stats

    labels = [label for label in end.index if then[label] == then[label] and end[label] == end[label]]
    if len(labels) < FEWEST:
        return []
    pairs = [(a, b) for a, b in combinations(labels, 2) if end[a] != end[b]]
    kept = [(a, b) for a, b in pairs if (then[a] - then[b]) * (end[a] - end[b]) > 0]
    tau = stats.kendalltau(then[labels], end[labels]).statistic if pairs else np.nan
    of_shown, kept_shown = (sum(frozenset(pair) in shown for pair in some) for some in (pairs, kept))
    row = {"labels": len(labels), "tau": float(tau), "pairs": len(pairs), "pairs_kept": len(kept)}
    row |= {"shown_pairs": of_shown, "shown_pairs_kept": kept_shown}
    return [row | {"best_then": then[labels].idxmax(), "best_at_end": end[labels].idxmax()}]


def _shown(rows: DataFrame) -> set[frozenset[str]]:
    rows = rows[rows["verdict"].isin([AHEAD, BEHIND]) & (rows["metric"] == "top1")]
    return {frozenset(pair) for pair in zip(rows["method_a"], rows["method_b"], strict=True)}
