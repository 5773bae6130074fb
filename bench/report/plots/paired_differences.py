"""Paired differences of all methods to random initialisation, and of neighbours in the order of accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.comparisons import ALL
from bench.report.analysis.reach import reference
from bench.report.format import short
from bench.report.plots.canvas import Drawn, beside, panels, pick, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

MOST_PAIRS = 16  # in a panel; comparisons.csv has all
FAR = 5  # times what most differences take


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    every = [
        (analysis.section, versus, rows)
        for analysis in analyses
        for versus, rows in chosen(analysis).groupby("versus", sort=False)
    ]
    parts = pick(every)
    if not parts:
        return None
    every_pair = [len(rows) for _, _, rows in parts]
    parts = [(section, versus, rows.head(MOST_PAIRS)) for section, versus, rows in parts]
    most = min(max(every_pair), MOST_PAIRS)
    names = [_names(rows, len(section.targets)) for section, _, rows in parts]
    width = beside((name for labels in names for name in labels), 2.4)
    figure, axes = panels(len(parts), columns=2, size=(width, 0.9 + 0.24 * most))
    for axis, (section, versus, rows), labels, n in zip(axes, parts, names, every_pair, strict=True):
        _panel(axis, rows, labels, looks)  # each with its own scale: what is far from random is near to its neighbours
        cut = f": the first {len(rows)} of {n}" if len(rows) < n else ""
        axis.set_title(f"{short(section.dataset)}, {'to random' if versus else 'to the next in accuracy'}{cut}")
        bent = _bend(axis, rows)
        axis.set_xlabel(f"difference of test top-1 (points)\nfilled: holds at 95%{bent}")
    return Drawn(figure, some_of(parts, every, "panels", "comparisons.csv"))


def chosen(analysis: Analysis) -> DataFrame:
    """Return rows of comparisons over all targets, turned so that the better method comes first: each method against
    random, then each against the next better one."""
    rows = analysis.comparisons
    rows = rows[(rows["target"] == ALL) & (rows["metric"] == "top1")].copy()
    turn = rows["difference"] < 0
    rows.loc[turn, ["method_a", "method_b"]] = rows.loc[turn, ["method_b", "method_a"]].to_numpy()
    rows.loc[turn, ["low", "high"]] = -rows.loc[turn, ["high", "low"]].to_numpy()
    rows["difference"] = rows["difference"].abs()
    order = by_accuracy(analysis.summary)
    base = reference(analysis.section)
    neighbours = set(zip(order, order[1:], strict=False))
    pairs = list(zip(rows["method_a"], rows["method_b"], strict=True))
    keep = [base in pair or pair in neighbours or pair[::-1] in neighbours for pair in pairs]
    rows = rows[np.array(keep, dtype=bool)]
    place = {method: i for i, method in enumerate(order)}
    versus = rows[["method_a", "method_b"]].eq(base).any(axis=1)
    first = rows["method_a"].map(place)
    return rows.assign(versus=versus, first=first).sort_values(["versus", "first"], ascending=[False, True])


def by_accuracy(summary: DataFrame) -> list[str]:
    """Return the methods from the most accurate down: by the mean difference to the methods that have finished all
    sizes, at the sizes that a method has, so that serving easy sizes alone is no advantage."""
    table = summary.pivot(index="target", columns="method", values="top1_mean").dropna(axis="columns", how="all")
    complete = table.dropna(axis="columns") if table.notna().all().any() else table
    above = table.sub(complete.mean(axis="columns"), axis="index").mean()
    return above.sort_values(ascending=False, kind="stable").index.tolist()


def _bend(axis: Axes, rows: DataFrame) -> str:
    """A logarithmic axis beyond what most differences take, where a few far larger ones would squeeze them into a line;
    and words that say so."""
    ends = rows[["low", "high"]].abs().max(axis=1).fillna(rows["difference"])
    most = 1.2 * float(ends.median())
    if not 0 < FAR * most < ends.max():
        return ""
    linear = float(f"{most:.1g}")
    ticks = [linear * 2**k for k in range(1 + int(np.ceil(np.log2(float(ends.max()) / linear))))]
    axis.set_xscale("symlog", linthresh=linear)
    axis.set_xticks([-linear, 0, *ticks], [f"{tick:g}" for tick in (-linear, 0, *ticks)])
    axis.set_xticks([], minor=True)
    return f"; logarithmic beyond {linear:g}"


def _names(rows: DataFrame, sizes: int) -> list[str]:
    """What is compared, over how many seeds, and over how many sizes where not over all."""
    return [
        f"{short(a)} vs {short(b)} (n = {n}{f', {cells} of {sizes} sizes' if cells < sizes else ''})"
        for a, b, n, cells in zip(rows["method_a"], rows["method_b"], rows["n"], rows["cells"], strict=True)
    ]


def _panel(axis: Axes, rows: DataFrame, names: list[str], looks: dict[str, Look]) -> None:
    y = np.arange(len(rows))
    for place, row in zip(y, rows.to_dict("records"), strict=True):
        look = looks[row["method_a"]]
        known = row["low"] == row["low"]
        bars = [[row["difference"] - row["low"]], [row["high"] - row["difference"]]] if known else None
        axis.errorbar(
            row["difference"],
            place,
            xerr=bars,
            color=look.colour,
            marker=look.marker,
            markerfacecolor=look.colour if row["holds"] else "white",
            capsize=2,
            elinewidth=1,
        )
    axis.axvline(0, color="#333333", linewidth=0.8)
    axis.set_yticks(y, names)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
