"""Accuracy against stored parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.report.analysis.means import over_targets
from bench.report.format import short, tick
from bench.report.plots.canvas import Drawn, accuracies, line, pick, seeds, some_of, upper
from bench.words import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    every = [a for a in analyses if len(a.totals)]
    analyses = pick(every)
    if not analyses:
        return None
    drawn = [{m: p for m in a.section.methods if (p := _point(a, m))} for a in analyses]
    left_out = list(dict.fromkeys(m for a, ps in zip(analyses, drawn, strict=True) for m in _scored(a) if m not in ps))
    if not any(drawn):
        return None
    titles = [f"{short(a.section.dataset)} ({seeds(a.summary)})" for a in analyses]
    details = [upper([(p.mean, p.mean) for p in ps.values()], [(p.low, p.high) for p in ps.values()]) for ps in drawn]
    figure = accuracies(
        titles, details, lambda i, axis: _panel(axis, analyses[i], drawn[i], looks), "mean test top-1 (%)"
    )
    fewer = f"Left out: {listed([short(m) for m in left_out])}." if left_out else ""
    return Drawn(figure, f"{fewer} {some_of(analyses, every, 'data sets', 'summary.csv')}".strip())


class MarkedMean(NamedTuple):
    """Mean over targets and its interval over seeds; the interval is the mean alone where there is none."""

    mean: float
    low: float
    high: float
    label: str


def _point(analysis: Analysis, method: str) -> MarkedMean | None:
    """None where the method has no seed with all the targets that any method has finished."""
    mean, every = over_targets(analysis.section, method), len(analysis.section.targets)
    if mean is None:
        return None
    fewer = "" if mean.targets == every else f" ({mean.targets} of {every} targets)"
    return MarkedMean(mean.mean, mean.low, mean.high, short(method) + fewer)


def _scored(analysis: Analysis) -> list[str]:
    """The methods that have finished any run."""
    done = set(analysis.section.done["method"])
    return [method for method in analysis.section.methods if method in done]


def _panel(axis: Axes, analysis: Analysis, points: dict[str, MarkedMean], looks: dict[str, Look]) -> None:
    stored = analysis.totals.set_index("method")["stored_params"]
    positive = [s for s in stored if s > 0]
    nothing = min(positive, default=10.0) / 10**0.5  # where methods that store nothing are drawn
    for method, point in points.items():
        x = stored[method] if stored[method] > 0 else nothing
        line(axis, [x], [point.mean], [point.low], [point.high], looks[method], point.label, joined=False)
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
