"""Break-even: total cost against the number of target sizes, one panel per method."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.report.format import short, tick
from bench.report.plots.canvas import Drawn, leftmost, legend, panels, pick, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

MOST_SIZES = 40
BRACKET = "from scratch: between two evaluations"
MOST_METHODS = 12
DASHES = {"with": ("-", "with the ancestor"), "without": ("--", "without the ancestor")}


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    parts = [
        (f"{short(analysis.section.dataset)}: " if len(analyses) > 1 else "", method, rows)
        for analysis in analyses
        if len(analysis.break_even)
        for method, rows in analysis.break_even.query("unit == 'flops'").groupby("method", sort=False)
        if rows[["per_size", "fixed"]].notna().all(axis=1).any()
    ]
    chosen = pick(parts, MOST_METHODS)
    if not chosen:
        return None
    figure, axes = panels(len(chosen))
    for axis, (where, method, rows) in zip(axes, chosen, strict=True):
        rows = rows.set_index("ancestor").to_dict("index")
        _panel(axis, rows, looks[method])
        known = rows["with"]["fixed"] == rows["with"]["fixed"]
        verdict = rows["with"]["verdict"] if known else f"{rows['without']['verdict']}, ancestor's cost unknown"
        title = verdict.replace(" (", "\n(") if "; " in verdict else verdict  # what is that long gets a line more
        axis.set_title(f"{where}{short(method)}\n{title}")
        axis.set_xlabel("target sizes")
        axis.yaxis.set_major_formatter(lambda value, _: tick(value))
    for dash, name in DASHES.values():
        axes[0].plot([], [], dash, color="#333333", label=f"method, {name}")
    for axis in axes:
        if leftmost(axis):
            axis.set_ylabel("FLOPs in all")
    legend(figure, axes, columns=2)
    what = "methods" if len(analyses) == 1 else "panels, each a data set and method"
    return Drawn(figure, some_of(chosen, parts, what, "break_even.csv"))


def _panel(axis: Axes, rows: dict[str, dict], look: Look) -> None:
    crossings = {
        row[end]: bound
        for row in rows.values()
        for end, bound in (("break_even", "≤ "), ("cheaper_until", "≥ "))
        if math.isfinite(row[end])
    }
    last = min(MOST_SIZES, max(1.5 * max(crossings, default=0), rows["with"]["targets"], 4))
    sizes = np.linspace(0, math.ceil(last), 100)
    lines = {key: rows[key]["fixed"] + sizes * rows[key]["per_size"] for key in DASHES}
    for key, (dash, _) in DASHES.items():
        if key == "with" or not np.array_equal(lines["with"], lines["without"]):
            axis.plot(sizes, lines[key], dash, color=look.colour)
    fixed, per_size = rows["with"]["scratch_fixed"], rows["with"]["scratch_per_size"]
    if per_size == per_size:
        scratch = fixed + sizes * per_size
        axis.plot(sizes, scratch, ":", color="#333333", label="each from scratch, same accuracy")
        if rows["with"]["scratch_is_bound"]:
            top = axis.get_ylim()[1]
            axis.fill_between(
                sizes, scratch, top, color="#333333", alpha=0.07, linewidth=0, label="from scratch: at least"
            )
            axis.set_ylim(0, top)
        else:
            low, high = (
                rows["with"][f"scratch_fixed{end}"] + sizes * rows["with"][f"scratch_per_size{end}"]
                for end in ("_low", "_high")
            )
            if (low < high).any():
                axis.fill_between(sizes, low, high, color="#333333", alpha=0.15, linewidth=0, label=BRACKET)
        for n, bound in crossings.items():
            if 0 < n <= sizes[-1]:
                there = n, fixed + n * per_size
                axis.plot(*([value] for value in there), "o", color="#333333", markerfacecolor="white")
                text = f"{bound if rows['with']['scratch_is_bound'] else ''}{n:.1f}"
                axis.annotate(text, there, xytext=(4, -9), textcoords="offset points", fontsize=8)
    axis.set_xlim(0, sizes[-1])
    axis.set_ylim(bottom=0)
    axis.locator_params("x", integer=True)
