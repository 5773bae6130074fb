"""Accuracy against depth or width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.published import matching
from bench.report.format import short
from bench.report.plots.canvas import ANCESTOR, Drawn, Limits, accuracies, line, pick, seeds, some_of, upper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

CHARACTERS = 40  # side by side along a panel
SLANTED = 2  # characters that a slanted label takes, however long it is
AXIS_LABELS = {"depth": "depth (blocks)", "embed_dim": "width (embed_dim)", "target": ""}


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    every = [part for analysis in analyses for part in _parts(analysis)]
    parts = pick(every)
    if not parts:
        return None
    titles = [f"{title} ({seeds(summary)})" for title, _, summary in parts]
    details = [_detail(summary) for _, _, summary in parts]
    figure = accuracies(titles, details, lambda i, axis: _panel(axis, *parts[i][1:], looks), "test top-1 (%)")
    return Drawn(figure, some_of(parts, every, "panels", "summary.csv"))


def _detail(summary: DataFrame) -> Limits | None:
    low, high = (summary[f"top1_{end}"].fillna(summary["top1_mean"]) for end in ("low", "high"))
    groups = summary.assign(low=low, high=high).groupby("method")
    ends = groups.agg({"top1_mean": ["min", "max"], "low": "min", "high": "max"}).to_numpy().tolist()
    return upper([(least, most) for least, most, _, _ in ends], [(low, high) for _, _, low, high in ends])


def _parts(analysis: Analysis) -> list[tuple[str, Analysis, DataFrame]]:
    """(title, analysis, its summary rows) per panel: one per width where both depth and width vary."""
    section, summary = analysis.section, analysis.summary
    summary = summary[summary["n"] > 0]
    if summary.empty:
        return []
    if section.axis == "target":
        return [(short(section.dataset), analysis, summary)]
    other = "embed_dim" if section.axis == "depth" else "depth"
    letter = "width" if other == "embed_dim" else "depth"
    groups = summary.groupby(other)
    return [(f"{short(section.dataset)}, {letter} {value}", analysis, part) for value, part in groups]


def _panel(axis: Axes, analysis: Analysis, summary: DataFrame, looks: dict[str, Look]) -> None:
    section = analysis.section
    names = summary[section.axis].drop_duplicates().tolist()
    names = [t for t in section.targets if t in names] if section.axis == "target" else sorted(names)
    methods = [m for m in section.methods if m in set(summary["method"])]
    gap = 1.0 if section.axis == "target" else min(np.diff(np.array(names, dtype=float)), default=1.0)
    for i, method in enumerate(methods):
        rows = summary[summary["method"] == method].set_index(section.axis).reindex(names).dropna(subset="top1_mean")
        x = [names.index(n) if section.axis == "target" else float(n) for n in rows.index]
        shift = 0.24 * gap * (i / max(1, len(methods) - 1) - 0.5)  # side by side, so that no bar hides another
        line(
            axis,
            [value + shift for value in x],
            rows["top1_mean"],
            rows["top1_low"],
            rows["top1_high"],
            looks[method],
            short(method),
        )
    if section.ancestors:
        axis.axhline(
            float(np.mean(section.ancestors)),
            color="#999999",
            linestyle=(0, (1, 1)),
            linewidth=1,
            label=ANCESTOR,
            zorder=0,
        )
    for row in matching(section).to_dict("records") if section.axis != "target" else []:
        shown = summary[(summary["method"] == row["method"]) & (summary["depth"] == row["depth"])]
        if (shown["embed_dim"] == row["embed_dim"]).any():
            label = f"published: {short(row['method'])}"
            axis.plot(row[section.axis], row["value"], "x", color=looks[row["method"]].colour, label=label)
    numeric = section.axis != "target"
    places = [float(n) for n in names] if numeric else list(range(len(names)))
    ticks = apart(places, max(len(str(n)) for n in names) if numeric else SLANTED)
    axis.set_xticks([places[i] for i in ticks], [str(names[i]) for i in ticks], rotation=0 if numeric else 30)
    axis.set_xlabel(AXIS_LABELS[section.axis])


def apart(places: Sequence[float], wide: int) -> list[int]:
    """Return which of the rising places along a panel have room for labels of so many characters: from the first on
    those that no label before them reaches."""
    gap = (places[-1] - places[0]) * (wide + 1) / CHARACTERS
    chosen = [0]
    for i, place in enumerate(places):
        if place - places[chosen[-1]] > gap:
            chosen.append(i)
    return chosen
