"""What methods train for themselves: the losses of what is trained to make learngenes and to initialise targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.format import short
from bench.report.plots.canvas import Drawn, panels, pick, some_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

KINDS = ("learngene", "start")
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_FITS = 6  # in a panel
MARKED = 12  # epochs from which on a line needs no markers to be seen


def draw(analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    parts = [(a, label, rows) for a in analyses for label in a.section.methods if not (rows := _own(a, label)).empty]
    chosen = pick(parts)
    if not chosen:
        return None
    figure, axes = panels(len(chosen))
    fits_left_out = 0
    for axis, (analysis, label, rows) in zip(axes, chosen, strict=True):
        fits_left_out += _panel(axis, rows, looks[label].colour)
        where = f"{short(analysis.section.dataset)}, " if len(analyses) > 1 else ""
        axis.set_title(f"{where}{short(label)}")
    axes[0].set_ylabel("training loss")
    notes = [some_of(chosen, parts, "panels", "training.csv")]
    notes += [f"Fits left out: {fits_left_out}; training.csv has all."] if fits_left_out else []
    return Drawn(figure, " ".join(filter(None, notes)))


def _own(analysis: Analysis, label: str) -> DataFrame:
    """Return the rows of what the method behind a label trains for runs of the section, and for nothing else."""
    import pandas as pd

    rows = analysis.training
    if rows is None:
        return pd.DataFrame()
    rows = rows[rows["kind"].isin(KINDS)].dropna(subset=["epoch", "loss"])
    mine = [
        label in labels.split() and analysis.section.dataset in names.split()
        for labels, names in zip(rows["used_by"], rows["dataset"], strict=True)
    ]
    return rows[mine]


def _panel(axis: Axes, rows: DataFrame, colour: str) -> int:
    """Draw a line per fit; returns how many fits there was no room for."""
    fits = list(rows.groupby("fit", sort=False))
    chosen = pick(fits, MOST_FITS)
    for i, (name, of_fit) in enumerate(chosen):
        table = of_fit.pivot_table(index="job", columns="epoch", values="loss")
        x, mean = table.columns.to_numpy(dtype=float), table.mean()
        n = f" (n = {len(table)})" if len(table) > 1 else ""
        marker = MARKERS[i % len(MARKERS)] if len(x) < MARKED else ""
        axis.plot(
            x, mean, color=colour, linestyle=DASHES[i % len(DASHES)], marker=marker, label=f"{short(str(name))}{n}"
        )
        axis.fill_between(x, table.min(), table.max(), color=colour, alpha=0.15, linewidth=0)
    axis.set_xlabel("epoch")
    axis.legend(frameon=False)
    return len(fits) - len(chosen)
