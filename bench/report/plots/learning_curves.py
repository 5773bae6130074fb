"""Learning curves from step 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.statistics import intervals
from bench.report.format import counts, short
from bench.report.plots.canvas import Drawn, legend, panels, percent, pick, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look


GAP = 0.25  # of a run without an evaluation: its curve is not known to be straight there
MOST_MARKERS = 12
MISSED = 2  # evaluations that another curve has in between: a line would look as well known as that one
LONGER = 3  # a run that is so many times longer than the shortest bends the axis


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    parts = [
        (analysis, target, rows)
        for analysis in analyses
        for target, rows in analysis.curves.dropna(subset="top1").groupby("target")
    ]
    order = {(id(a), t): i for a in analyses for i, t in enumerate(a.section.targets)}
    parts.sort(key=lambda part: (analyses.index(part[0]), order[id(part[0]), part[1]]))
    chosen = pick(parts)
    if not chosen:
        return None
    figure, axes = panels(len(chosen), sharey=True)
    for axis, (analysis, target, rows) in zip(axes, chosen, strict=True):
        _panel(axis, analysis.section.methods, rows, looks)
        many = len(analyses) > 1
        where = f"{short(analysis.section.dataset)}, " if many else ""
        n = counts(rows.groupby("method")["seed"].nunique().tolist())
        axis.set_title(f"{where}{short(target)} (n = {n})")
    axes[0].set_ylabel("test top-1 (%)")
    percent(axes[0])
    legend(figure, axes)
    what = "targets" if len(analyses) == 1 else "panels, each a data set and target"
    return Drawn(figure, some_of(chosen, parts, what, "curves.csv"))


def _panel(axis: Axes, methods: list[str], curves: DataFrame, looks: dict[str, Look]) -> None:
    lengths: list[float] = []
    every = curves.pivot_table(index=["method", "seed"], columns="epoch", values="top1").groupby(level="method")
    tables = {method: rows.dropna(axis="columns", how="all") for method, rows in every}
    grids = [np.array(grid) for grid in {tuple(table.columns) for table in tables.values()}]
    for method in methods:
        if method not in tables:
            continue
        table = tables[method]
        values, look = intervals(table.to_numpy(), bootstrap=False), looks[method]
        x = table.columns.to_numpy(dtype=float)
        for part in _evaluated(x, grids):
            axis.plot(x[part], values.mean[part], color=look.colour, linestyle=look.dash)
            low, high = values.low[part], values.high[part]
            axis.fill_between(x[part], low, high, color=look.colour, alpha=0.18, linewidth=0)
        face = "white" if look.hollow else look.colour
        shape: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markerfacecolor": face}
        axis.plot(x, values.mean, linestyle=":", linewidth=0.7, markevery=max(1, len(x) // MOST_MARKERS), **shape)
        axis.plot([], [], linestyle=look.dash, label=short(method), **shape)
        lengths.append(x[-1])
    axis.set_xlabel("epoch")
    axis.locator_params("x", integer=True)
    shortest, longest = min(lengths), max(lengths)
    if 0 < shortest * LONGER < longest:
        axis.set_xscale("symlog", linthresh=shortest)
        doublings = range(1, int(math.log2(longest / shortest)) + 1)
        ticks = [0, *(shortest * 2**k for k in (0, *doublings))]
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        axis.set_xticks([], minor=True)
        axis.set_xlabel(f"epoch (logarithmic beyond {shortest:g})")


def _evaluated(epochs: NDArray, grids: list[NDArray]) -> list[slice]:
    """The stretches of a curve that are evaluated often enough to be joined by a line: by themselves, and beside the
    epochs at which the panel's other curves are."""
    pairs = list(zip(epochs, epochs[1:], strict=False))
    between = [
        max(np.searchsorted(grid, high) - np.searchsorted(grid, low, "right") for grid in grids) for low, high in pairs
    ]
    wide = (np.diff(epochs) > max(1.0, GAP * float(epochs[-1]))) | (np.array(between, dtype=int) >= MISSED)
    ends = [0, *(np.flatnonzero(wide) + 1).tolist(), len(epochs)]
    return [slice(first, last) for first, last in zip(ends, ends[1:], strict=False)]
