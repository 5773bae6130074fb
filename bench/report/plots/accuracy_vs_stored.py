"""Accuracy against stored parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.report.format import short, tick
from bench.report.plots.canvas import legend, line, panels, pick, seeds
from bench.report.statistics import intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.report.analysis import Analysis
    from bench.report.style import Look


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Figure | None:
    analyses = pick([a for a in analyses if len(a.totals)])
    if not analyses:
        return None
    figure, axes = panels(len(analyses))
    for axis, analysis in zip(axes, analyses, strict=True):
        _panel(axis, analysis, looks)
        axis.set_title(f"{short(analysis.section.dataset)} ({seeds(analysis.summary)})")
    axes[0].set_ylabel("mean test top-1 (%)")
    legend(figure, axes, columns=3)
    return figure


def _panel(axis: Axes, analysis: Analysis, looks: dict[str, Look]) -> None:
    section = analysis.section
    cube = section.scores()
    stored = analysis.totals.set_index("method")["stored_params"]
    positive = [s for s in stored if s > 0]
    nothing = min(positive, default=10.0) / 10**0.5  # where methods that store nothing are drawn
    for i, method in enumerate(section.methods):
        scores = cube[:, :, i]
        covered = ~np.isnan(scores).all(axis=0)
        if not covered.any():
            continue
        values = intervals(scores[:, covered].mean(axis=1, keepdims=True))  # seeds that have all covered targets
        if not values.n[0]:
            continue
        label = short(method) + ("" if covered.all() else f" ({covered.sum()} of {len(covered)} targets)")
        x = stored[method] if stored[method] > 0 else nothing
        line(axis, [x], values.mean, values.low, values.high, looks[method], label)
    axis.set_xscale("log")
    ticks = _ticks(nothing, positive)
    axis.set_xticks([nothing, *ticks], ["0", *map(tick, ticks)])
    axis.set_xticks([], minor=True)
    axis.set_xlim(nothing / 1.4, max([*positive, nothing * 3]) * 1.4)
    if positive:
        axis.axvline(nothing * 1.4, color="#cccccc", linewidth=0.8, linestyle=":")
    axis.set_xlabel("stored parameters (0: stores nothing)")


def _ticks(low: float, values: list[float]) -> list[float]:
    """1, 2, 5 x 10^k within the values, thinned to at most five."""
    if not values:
        return []
    powers = range(int(np.log10(low)), int(np.log10(max(values))) + 1)
    ticks = [m * 10.0**p for p in powers for m in (1, 2, 5) if low * 1.5 < m * 10.0**p <= max(values) * 1.2]
    return ticks if len(ticks) <= 5 else [t for t in ticks if str(t)[0] == "1"] or ticks[:: len(ticks) // 4]
