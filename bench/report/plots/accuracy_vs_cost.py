"""Accuracy against FLOPs, for one target size, half of them and all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.format import short, tick
from bench.report.plots.canvas import Drawn, accuracies, line, pick, seeds, some_of, upper
from bench.words import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

FAINT = 0.3  # opacity of what is shown to be dominated
ROOM = 1.35  # on the axis of FLOPs beside the outermost points


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    costing = [(a, a.frontier[a.frontier["flops"] > 0]) for a in analyses]  # the axis is logarithmic
    every = [(a, n, rows) for a, points in costing for n, rows in points.groupby("sizes", sort=False)]
    parts = pick(every)
    if not parts:
        return None
    titles = [_title(analysis, sizes, len(analyses) > 1) for analysis, sizes, _ in parts]
    details = [
        upper([(m, m) for m in rows["top1"]], list(zip(rows["low"], rows["high"], strict=True))) for _, _, rows in parts
    ]
    figure = accuracies(titles, details, lambda i, axis: _panel(axis, parts[i][2], looks), "mean test top-1 (%)")
    drawn = {label for _, _, rows in parts for label in rows["method"]}
    absent = dict.fromkeys(m for a, _, _ in parts for m in a.section.methods if m not in drawn)
    fewer = (
        f"Left out, for missing sizes, or costs of 0 or not known: {listed([short(m) for m in absent])}."
        if absent
        else ""
    )
    return Drawn(figure, f"{fewer} {some_of(parts, every, 'panels', 'frontier.csv')}".strip())


def _title(analysis: Analysis, sizes: int, several: bool) -> str:
    where = f"{short(analysis.section.dataset)}, " if several else ""
    every = len(analysis.section.targets)
    what = f"all {every} sizes" if 1 < sizes == every else f"{sizes} size{'' if sizes == 1 else 's'}"
    return f"{where}{what} ({seeds(analysis.summary)})"


def _panel(axis: Axes, rows: DataFrame, looks: dict[str, Look]) -> None:
    for _, of_block in rows.groupby("block", sort=False):
        best = of_block[of_block["on_frontier"]].sort_values("flops")
        axis.plot(best["flops"], best["top1"], color="#999999", linewidth=1, zorder=0)
    for row in rows.to_dict("records"):
        look, before = looks[row["method"]], list(axis.get_children())
        flops, top1, low, high = ([row[name]] for name in ("flops", "top1", "low", "high"))
        line(axis, flops, top1, low, high, look, "_", joined=False)
        for artist in axis.get_children() if row["dominated_by"] else ():
            if artist not in before:
                artist.set_alpha(FAINT)
        face = "white" if look.hollow else look.colour
        name = short(row["method"])  # drawn apart: what is faint in one panel is not in every one
        axis.plot([], [], linestyle="none", color=look.colour, marker=look.marker, markerfacecolor=face, label=name)
    axis.set_xscale("log")
    low, high = rows["flops"].min(), rows["flops"].max()
    axis.set_xlim(low / ROOM, high * ROOM)
    ticks = [m * 10.0**p for p in range(30) for m in (1, 2, 5) if low / ROOM < m * 10.0**p < high * ROOM]
    axis.set_xticks(pick(ticks, 5), [tick(value) for value in pick(ticks, 5)])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("FLOPs in all")
