"""The labels that tables begin with and pictures show: all of a few; of many the most accurate, and the controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.analysis.reach import reference
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 16  # labels that a picture has room for
MOST_CONTROLS = 6


def by_accuracy(summary: DataFrame) -> list[str]:
    """Return the methods from the most accurate down: by the mean difference to the methods that have finished all
    sizes, at the sizes that a method has, so that serving easy sizes alone is no advantage."""
    table = summary.pivot(index=["dataset", "target"], columns="method", values="top1_mean")
    table = table.dropna(axis="columns", how="all")
    complete = table.dropna(axis="columns") if table.notna().all().any() else table
    above = table.sub(complete.mean(axis="columns"), axis="index").mean()
    return above.sort_values(ascending=False, kind="stable").index.tolist()


def leading(sections: Sequence[Section], summary: DataFrame) -> list[str]:
    """Return the labels of a suite that come first: all in its order, or of more than MOST the most accurate, then
    random initialisation and the controls.

    summary: the rows of all sections of the suite.
    """
    labels = list(dict.fromkeys(label for section in sections for label in section.methods))
    if len(labels) <= MOST:
        return labels
    controls = list(dict.fromkeys(label for section in sections for label in section.controls))[:MOST_CONTROLS]
    references = [label for section in sections if (label := reference(section)) is not None]
    last = list(dict.fromkeys([*references, *controls]))
    every_control = {label for section in sections for label in section.controls}
    best = [label for label in by_accuracy(summary) if label not in every_control | set(last)]
    return [*best[: MOST - len(last)], *last]
