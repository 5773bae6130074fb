"""Performance profile: the share of cells in which a method reaches at least a given accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.statistics import performance_profile
from bench.report.format import short
from bench.report.plots.canvas import Drawn, legend, upper, views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.analysis.standing import Standing
    from bench.report.style import Look

POINTS = 401
BAND_FROM = 10  # seeds: with fewer, intervals of shares are too coarse to draw


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    standing = _of(analyses[0].standing, {method for analysis in analyses for method in analysis.section.methods})
    if not standing.methods or not standing.cells:
        return None
    spans = [(float(np.nanmin(s)), float(np.nanmax(s))) for s in standing.scores.transpose(2, 0, 1)]
    lowest, highest = min(low for low, _ in spans), max(high for _, high in spans)
    thresholds = np.linspace(max(0, lowest - 2), min(100, highest + 2), POINTS)
    means = np.nanmean(standing.scores, axis=0).T
    figure, shown = views([upper([(float(m.min()), float(m.max())) for m in means], spans)])
    shown[0][1].set_title(_seeds(standing))
    for _, axis, limits in shown:
        _panel(axis, standing, thresholds, looks)
        if limits:
            axis.set_xlim(limits)
    shown[0][1].set_ylabel(f"share of {len(standing.cells)} cells")
    legend(figure, [axis for _, axis, _ in shown], columns=3)
    return Drawn(figure)


def _of(standing: Standing, methods: set[str]) -> Standing:
    """The same of some methods alone."""
    places = [i for i, method in enumerate(standing.methods) if method in methods]
    return replace(standing, methods=[standing.methods[i] for i in places], scores=standing.scores[:, :, places])


def _complete(standing: Standing) -> list[NDArray]:
    """Scores [seeds, cells] of each method, of the seeds that have every cell."""
    return [scores[~np.isnan(scores).any(axis=1)] for scores in standing.scores.transpose(2, 0, 1)]


def _seeds(standing: Standing) -> str:
    """The words "n = 10 seeds", for the most that a method has."""
    every = sorted({len(scores) for scores in _complete(standing)})
    return f"n = {every[-1]} seed{'' if every[-1] == 1 else 's'}{' where it says no other' if every[1:] else ''}"


def _panel(axis: Axes, standing: Standing, thresholds: NDArray, looks: dict[str, Look]) -> None:
    every = _complete(standing)
    most = max(map(len, every))
    for method, complete in zip(standing.methods, every, strict=True):
        if not len(complete):
            continue
        profile, look = performance_profile(complete, thresholds), looks[method]
        axis.step(
            thresholds,
            profile.mean,
            where="post",
            color=look.colour,
            linestyle=look.dash,
            marker=look.marker,
            markevery=[int(np.argmin(np.abs(profile.mean - 0.5)))],
            markerfacecolor="white" if look.hollow else look.colour,
            label=short(method) + (f" (n = {len(complete)})" if len(complete) < most else ""),
        )
        if len(complete) >= BAND_FROM:
            low, high = np.clip(profile.low, 0, 1), np.clip(profile.high, 0, 1)
            axis.fill_between(thresholds, low, high, step="post", color=look.colour, alpha=0.15, linewidth=0)
    axis.set_xlabel("test top-1 (%), at least")
    axis.set_ylim(-0.02, 1.04)
