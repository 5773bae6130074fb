"""The labels that come first: all of a few; of many the most accurate, and the controls. Pictures show these alone, and
tables first, each with the other labels of its method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from bench.report.analysis.families import declared
from bench.report.analysis.reach import reference
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame

MOST = 16  # labels that a picture has room for
MOST_CONTROLS = 6
CONTROLS = "controls"


class LabelGroup(NamedTuple):
    """Labels that stand together, the first `shown` of them before one asks for the rest; a label by itself needs no
    name."""

    name: str
    labels: list[str]
    shown: int


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
    random initialisation, the controls and what else declared families compare with.

    summary: the rows of all sections of the suite.
    """
    labels = list(dict.fromkeys(label for section in sections for label in section.methods))
    if len(labels) <= MOST:
        return labels
    controls = list(dict.fromkeys(label for section in sections for label in section.controls))[:MOST_CONTROLS]
    references = [label for section in sections if (label := reference(section)) is not None]
    against = [label for section in sections for family in declared(section) for label in family.references]
    last = [label for label in dict.fromkeys([*references, *controls, *against]) if label in labels][:MOST]
    every_control = {label for section in sections for label in section.controls}
    best = [label for label in by_accuracy(summary) if label not in every_control | set(last)]
    return [*best[: MOST - len(last)], *last]


def groups(section: Section, first: Sequence[str], summary: DataFrame) -> list[LabelGroup]:
    """Return the labels of a section by method; none where all of them come first.

    The methods by their most accurate label, that of random initialisation after the others, the controls of all in the
    end; the labels of a method by accuracy, those that come first before the rest.

    summary: the rows of all sections of the suite.
    """
    if set(first) >= set(section.methods):
        return []
    places = {label: i for i, label in enumerate(by_accuracy(summary))}
    of_method: dict[str, list[str]] = {}
    for label in sorted(section.methods, key=lambda label: places.get(label, len(places))):
        if label not in section.controls:
            of_method.setdefault(section.use[label], []).append(label)
    start = section.use.get(reference(section) or "", "")
    methods = sorted(of_method, key=lambda use: use == start)
    named = [(use if len(of_method[use]) > 1 else "", of_method[use]) for use in methods]
    named += [(CONTROLS, list(section.controls))] if section.controls else []
    return [
        LabelGroup(name, sorted(labels, key=lambda label: label not in first), len(set(labels) & set(first)))
        for name, labels in named
    ]
