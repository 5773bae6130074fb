"""early.csv: whether the order of labels after 10, 25 and 50% of their training holds at its end.

Each run is looked at after a share of its own training, by a straight line between its evaluations; `evaluated` says
what share of runs has an evaluation right there. Means over seeds are ranked, for each target and for the mean over the
targets that all labels have finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.comparisons import AHEAD, ALL, BEHIND
from bench.report.analysis.reach import looks
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

SHARES = (0.1, 0.25, 0.5)
FEWEST = 3  # labels that have an order worth the name
CLOSE, SAME = 1e-8, 1e-5  # epochs, and their share, within which an evaluation is at an epoch: as numpy.isclose
COLUMNS = ["suite", "dataset", "block", "target", "share", "labels", "tau", "pairs", "pairs_kept", "shown_pairs"]
COLUMNS += ["shown_pairs_kept", "best_then", "best_at_end", "evaluated"]


def early(section: Section, blocks: Sequence[tuple[Section, DataFrame]], comparisons: DataFrame) -> DataFrame:
    """Return a row per target, and for all of them, and share of the training.

    blocks: the section of each block and its curves.
    tau: Kendall's rank correlation (tau-b) of the means then and at the end. pairs_kept: how many of `pairs` of labels,
    whose means differ at the end, were in the same order then; shown_pairs: those of them whose difference at the end
    is shown (see comparisons).
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    places = {label: place for place, label in enumerate(section.methods)}
    shown, nothing = _shown(comparisons, places), np.zeros((len(places), len(places)), dtype=bool)
    for part, curves in blocks:
        table = _at_shares(looks(part, curves))
        if table.empty:
            continue
        front = {"suite": section.suite, "dataset": section.dataset, "block": next(iter(part.blocks))}
        of_labels = table.groupby(["target", "method"])[["end", *SHARES]].mean()
        of_targets = table.groupby("target")[[f"{share} evaluated" for share in SHARES]].mean()
        end = of_labels["end"].unstack()
        for share in SHARES:
            then, evaluated = of_labels[share].unstack(), of_targets[f"{share} evaluated"]
            whole = then.dropna(axis="columns").columns.intersection(end.dropna(axis="columns").columns)
            means = [(t, then.loc[t], end.loc[t], evaluated[t]) for t in part.targets if t in then.index]
            if len(means) > 1:
                means.append((ALL, then[whole].mean(), end[whole].mean(), evaluated.mean()))
            for target, a, b, at in means:
                held = _held(a, b, shown.get(target, nothing), places)
                rows += [{**front, "target": target, "share": share, **row, "evaluated": at} for row in held]
    return pd.DataFrame(rows, columns=COLUMNS)


def _at_shares(evaluations: DataFrame) -> DataFrame:
    """A row per run: its top-1 at each share of its training, whether it was evaluated right there, and at its end."""
    import pandas as pd

    known = evaluations[["run", "method", "target", "epoch", "top1"]].dropna(subset=["epoch", "top1"])
    known = known.iloc[np.argsort(pd.factorize(known["run"])[0], kind="stable")]  # runs one after the other
    epochs, top1 = (known[name].to_numpy(dtype=float) for name in ("epoch", "top1"))
    first = np.flatnonzero(~known["run"].duplicated().to_numpy())
    lengths = np.diff(np.append(first, len(known)))
    whole = (epochs[first + lengths - 1] > 0) & (epochs[first] <= 0)
    columns: dict[Any, Any] = {name: known[name].to_numpy()[first[whole]] for name in ("method", "target")}
    points, lengths = np.repeat(whole, lengths), lengths[whole]
    epochs, top1, last = epochs[points], top1[points], np.cumsum(lengths) - 1
    first = last - lengths + 1
    columns["end"] = top1[last]
    for share in SHARES:
        looked = share * epochs[last]
        at = np.repeat(looked, lengths)
        before = first + np.add.reduceat(epochs <= at, first, dtype=int) - 1  # the last evaluation until then
        slope = (top1[before + 1] - top1[before]) / (epochs[before + 1] - epochs[before])
        columns[share] = slope * (looked - epochs[before]) + top1[before]
        near = np.abs(epochs - at) <= CLOSE + SAME * at
        columns[f"{share} evaluated"] = np.logical_or.reduceat(near, first).astype(float)
    return pd.DataFrame(columns, copy=False)  # a block for each: how means are rounded hangs on what else is in theirs


def _held(then: Series, end: Series, shown: NDArray[np.bool_], places: Mapping[str, int]) -> list[dict[str, Any]]:
    """shown: [labels, labels], at `places`."""
    before, after = then.reindex(end.index).to_numpy(dtype=float), end.to_numpy(dtype=float)
    known = ~np.isnan(before) & ~np.isnan(after)
    labels, before, after = end.index[known].tolist(), before[known], after[known]
    if len(labels) < FEWEST:
        return []
    of = np.array([places[label] for label in labels])
    i, j = np.triu_indices(len(labels), 1)
    sooner, later = before[i] - before[j], after[i] - after[j]
    pairs, kept, turned = later != 0, sooner * later > 0, sooner * later < 0
    apart, differ = int((sooner != 0).sum()), int(pairs.sum())
    tau = (int(kept.sum()) - int(turned.sum())) / np.sqrt(apart) / np.sqrt(differ) if apart and differ else np.nan
    of_shown = shown[of[i], of[j]]
    row = {"labels": len(labels), "tau": float(np.clip(tau, -1, 1)), "pairs": differ, "pairs_kept": int(kept.sum())}
    row |= {"shown_pairs": int((pairs & of_shown).sum()), "shown_pairs_kept": int((kept & of_shown).sum())}
    return [row | {"best_then": labels[int(before.argmax())], "best_at_end": labels[int(after.argmax())]}]


def _shown(comparisons: DataFrame, places: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
    """Target -> [labels, labels], at `places`: whether the difference of the two is shown there."""
    rows = comparisons[comparisons["verdict"].isin([AHEAD, BEHIND]) & (comparisons["metric"] == "top1")]
    a, b = (rows[f"method_{side}"].map(places).to_numpy(dtype=int) for side in ("a", "b"))
    shown = {}
    for target, some in rows.groupby("target", sort=False).indices.items():
        shown[target] = np.zeros((len(places), len(places)), dtype=bool)
        shown[target][a[some], b[some]] = shown[target][b[some], a[some]] = True
    return shown
