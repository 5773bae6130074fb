"""Average ranks of the methods, joined where they are closer than the critical difference (Demsar, 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.ranking import Ranking
from bench.report.analysis.statistics import LEVEL
from bench.report.format import short
from bench.report.plots.canvas import Drawn

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

ROW = 0.22  # inches between labels


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    from matplotlib import pyplot

    standing = analyses[0].standing
    result = standing.ranking
    if result is None or np.isnan(result.p):
        return None
    order = np.argsort(result.ranks, kind="stable")
    k = len(order)
    cliques = groups(result)
    left = (k + 1) // 2
    height = 0.9 + ROW * (left + 0.6 * len(cliques))
    figure, axis = pyplot.subplots(figsize=(6.2, height), layout="constrained")
    axis.set_axis_off()
    axis.set_xlim(0.4 - 0.35 * (k - 1), k + 0.6 + 0.35 * (k - 1))
    axis.set_ylim(-(0.6 * len(cliques) + left + 0.8), 3.2)
    axis.plot([1, k], [0, 0], color="black", linewidth=1)
    for rank in range(1, k + 1, 1 + k // 16):
        axis.plot([rank, rank], [0, 0.25], color="black", linewidth=1)
        axis.text(rank, 0.45, str(rank), ha="center", va="bottom", fontsize=8)
    cd = min(result.critical_difference, k - 1)
    axis.plot([1, 1 + cd], [1.9, 1.9], color="black", linewidth=1, marker="|", markersize=6)
    wide = " (wider than the scale)" if cd < result.critical_difference else ""
    axis.text(1, 2.2, f"critical difference {result.critical_difference:.2f}{wide}", va="bottom", fontsize=8)
    for i, (first, last) in enumerate(cliques):
        y = -0.45 - 0.6 * i
        axis.plot([first - 0.04, last + 0.04], [y, y], color="black", linewidth=3, solid_capstyle="butt")
    below = -0.6 * len(cliques)
    for place, index in enumerate(order):
        rank, method = result.ranks[index], standing.methods[index]
        on_left = place < left
        y = below - 0.8 - (place if on_left else k - 1 - place)
        end = 0.9 if on_left else k + 0.1
        colour = looks[method].colour
        axis.plot([rank, rank, end], [0, y, y], color=colour, linewidth=1)
        side, text = ("right", end - 0.08) if on_left else ("left", end + 0.08)
        axis.text(text, y, f"{short(method)} ({rank:.2f})", ha=side, va="center", fontsize=8)
    shown = "" if result.p < 1 - LEVEL else ": no difference shown"
    axis.set_title(f"average rank over {result.cells} cells (1 = best), Friedman p = {result.p:.2g}{shown}")
    return Drawn(figure)


def groups(result: Ranking) -> list[tuple[float, float]]:
    """Return (best, worst) average rank of each largest set of methods within the critical difference, if more than
    one; all of them where Friedman's test shows no difference, which the pairwise comparison presupposes."""
    ranks = np.sort(result.ranks)
    if result.p >= 1 - LEVEL:
        return [(float(ranks[0]), float(ranks[-1]))]
    cliques: list[tuple[int, int]] = []
    for i in range(len(ranks)):
        j = int(np.flatnonzero(ranks <= ranks[i] + result.critical_difference)[-1])
        if j > i and (not cliques or j > cliques[-1][1]):
            cliques.append((i, j))
    return [(float(ranks[i]), float(ranks[j])) for i, j in cliques]
