"""Whether what is ahead early in training is ahead at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.format import number, one_line
from bench.report.tables.model import Cell, Table

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis


def early(analysis: Analysis) -> Table:
    """Return a row per target and share of the training."""
    several = len(analysis.section.blocks) > 1
    rows = []
    for row in analysis.early.to_dict("records"):
        target = f"{row['target']}, {row['block']}" if several else row["target"]
        texts = [target, f"{100 * row['share']:g}%", str(row["labels"]), number(row["tau"], 2)]
        texts += [f"{row[f'{which}_kept']} of {row[which]}" for which in ("pairs", "shown_pairs")]
        texts += [row["best_then"], row["best_at_end"], f"{100 * row['evaluated']:.0f}%"]
        rows.append([Cell(one_line(text)) for text in texts])
    header = ["target", "after", "labels", "rank correlation", "pairs in the same order", "of those shown at the end"]
    header += ["best then", "best at the end", "evaluated then"]
    caption = (
        "Whether the order of labels after a share of their training holds at its end: Kendall's correlation of the "
        "means over seeds, pairs of labels that are in the same order, and of these such as differ at the end at 95%. "
        "Accuracies then are read off straight lines between evaluations; evaluated then: runs that have one there."
    )
    return Table(f"{analysis.section.title}: early ranks", header, rows, caption, left=2)
