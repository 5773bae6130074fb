"""Paired differences by family of tests: to what a family compares with, and of neighbours in the order of accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.report.analysis.comparisons import AHEAD, ALL, BEHIND, LEVEL_WITH, TURNED
from bench.report.analysis.families import PairFamily
from bench.report.analysis.leading import by_accuracy
from bench.report.analysis.reach import reference
from bench.report.analysis.sections import Section
from bench.report.format import short
from bench.report.plots.canvas import Drawn, beside, panels, pick, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

MOST_PAIRS = 16  # in a panel; comparisons.csv has all
FAR = 5  # times what most differences take
FACES = {AHEAD: "", BEHIND: "", LEVEL_WITH: "#c8c8c8"}  # of a marker by verdict; "": the method's colour
METRICS = {"top1": "test top-1", "top1_init": "test top-1 at the start", "best_top1": "best test top-1"}


class Panel(NamedTuple):
    """Rows of comparisons over all targets, turned so that the better label comes first."""

    section: Section
    family: PairFamily
    versus: str
    rows: DataFrame


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    every = [panel for analysis in analyses for panel in chosen(analysis)]
    parts = pick(every)
    if not parts:
        return None
    every_pair = [len(panel.rows) for panel in parts]
    parts = [panel._replace(rows=panel.rows.head(MOST_PAIRS)) for panel in parts]
    names = [_names(panel.rows, len(panel.family.of(panel.section))) for panel in parts]
    width = beside((name for labels in names for name in labels), 2.4)
    most = min(max(every_pair), MOST_PAIRS)
    figure, axes = panels(len(parts), columns=2, size=(width, 1.0 + 0.24 * most))
    for axis, panel, labels, n in zip(axes, parts, names, every_pair, strict=True):
        _panel(axis, panel.rows, labels, looks)  # each with its own scale
        cut = f": the first {len(panel.rows)} of {n}" if len(panel.rows) < n else ""
        axis.set_title(f"{short(panel.section.dataset)}, to {panel.versus}{cut}\n{short(panel.family.name, 40)}")
        axis.set_xlabel(f"difference of {METRICS[panel.family.metric]} (points)\n{_bend(axis, panel.rows)}")
    return Drawn(figure, some_of(parts, every, "panels", "comparisons.csv"))


def chosen(analysis: Analysis) -> Iterator[Panel]:
    """Yield for each family the labels against each that it compares with; where it compares all with each other, these
    against random, and each against the next better one."""
    order = by_accuracy(analysis.summary)
    place = {method: i for i, method in enumerate(order)}
    base = reference(analysis.section)
    for family in analysis.families:
        rows = analysis.comparisons
        rows = _turned(rows[(rows["target"] == ALL) & (rows["family"] == family.name)])
        rows = rows.assign(place=rows["method_a"].map(place)).sort_values("place", kind="stable")
        pairs = list(zip(rows["method_a"], rows["method_b"], strict=True))
        for versus in family.references or ([base] if base else []):
            to_it = rows[np.array([versus in pair for pair in pairs], dtype=bool)]
            if len(to_it):
                yield Panel(analysis.section, family, short(versus), to_it)
        if family.among and len(family.labels) > 2:
            compared = [label for label in order if label in family.labels]
            neighbours = set(zip(compared, compared[1:], strict=False))
            near = np.array([pair in neighbours or pair[::-1] in neighbours for pair in pairs], dtype=bool)
            yield from [Panel(analysis.section, family, "the next in accuracy", rows[near])] if near.any() else []


def _turned(rows: DataFrame) -> DataFrame:
    """Rows with the better label first."""
    rows = rows.copy()
    turn = rows["difference"] < 0
    rows.loc[turn, ["method_a", "method_b"]] = rows.loc[turn, ["method_b", "method_a"]].to_numpy()
    rows.loc[turn, ["low", "high"]] = -rows.loc[turn, ["high", "low"]].to_numpy()
    rows.loc[turn, "verdict"] = rows.loc[turn, "verdict"].replace(TURNED)
    rows["difference"] = rows["difference"].abs()
    return rows


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
    return f"logarithmic beyond {linear:g}"


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
            markerfacecolor=FACES.get(row["verdict"], "white") or look.colour,
            capsize=2,
            elinewidth=1,
        )
    axis.axvline(0, color="#333333", linewidth=0.8)
    axis.set_yticks(y, names)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
