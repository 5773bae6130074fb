"""Cost split into ancestor, learngene, initialisation and training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.cost import PARTS
from bench.report.format import UNKNOWN, short, si, tick
from bench.report.plots.canvas import Drawn, beside, legend, panels, pick, some_of
from bench.report.style import PART_LOOKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

NAMES = {"ancestor": "ancestor", "learngene": "learngene", "tuning": "tuning runs"}
NAMES |= {"init": "initialisation", "train": "training"}


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    every = [a for a in analyses if len(a.totals)]
    analyses = pick(every)
    if not analyses:
        return None
    most = max(len(a.totals) for a in analyses)
    width = beside((name for analysis in analyses for name in _names(analysis)), 3.6)
    figure, axes = panels(len(analyses), columns=2, size=(width, 0.9 + 0.3 * most))
    for axis, analysis in zip(axes, analyses, strict=True):
        _panel(axis, analysis)
    legend(figure, axes, columns=5)
    return Drawn(figure, some_of(analyses, every, "data sets", "cost.csv"))


def _names(analysis: Analysis) -> list[str]:
    """Labels, with how many of the sizes a method serves where it does not serve all."""
    totals, sizes = analysis.totals, len(analysis.section.targets)
    served = zip(totals["method"], totals["targets"], strict=True)
    return [short(method) + ("" if n == sizes else f" ({n} of {sizes} sizes)") for method, n in served]


def _panel(axis: Axes, analysis: Analysis) -> None:
    totals = analysis.totals
    y = np.arange(len(totals))
    left = np.zeros(len(totals))
    for part in PARTS:
        widths = totals[f"flops_{part}"].fillna(0).to_numpy(dtype=float)
        colour, hatch = PART_LOOKS[part]
        some = widths > 0
        if not some.any():
            continue
        look: dict[str, Any] = {
            "color": colour,
            "hatch": hatch,
            "edgecolor": "white",
            "height": 0.7,
            "label": NAMES[part],
        }
        axis.barh(y[some], widths[some], left=left[some], **look)
        left += widths
    for place, end, total in zip(y, left, totals["flops_total"], strict=True):
        text = si(total) if total == total else f"{si(end)} + {UNKNOWN}"
        axis.annotate(text, (end, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    axis.set_xlim(0, max(left.max(), 1) * 1.16)
    axis.set_yticks(y, _names(analysis))
    axis.set_ylim(len(totals) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.xaxis.set_major_formatter(lambda value, _: tick(value))
    sizes = len(analysis.section.targets)
    axis.set_title(f"{short(analysis.section.dataset)}, {sizes} target size{'s' if sizes > 1 else ''}")
    axis.set_xlabel("FLOPs, mean over seeds")
