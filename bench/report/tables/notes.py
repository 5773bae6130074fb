"""What is said below a table of labels: of each by itself, of many labels once of all that the same is true of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench.report.analysis.leading import MOST
from bench.report.analysis.sections import Section
from bench.report.format import one_line
from bench.words import listed

if TYPE_CHECKING:
    from pandas import DataFrame

STATES = ("failed", "skipped", "missing")


def unfinished(section: Section, cells: Iterable[dict[str, Any]]) -> list[str]:
    """Return why runs of these cells are not there: a note for each cell, of many labels one for each reason."""
    left = [
        (cell["method"], cell["target"], _states(cell), cell["reasons"])
        for cell in cells
        if cell["n"] != cell["planned"]
    ]
    if len(section.methods) <= MOST:
        return [_note(f"{label} at {target}: {states}", why) for label, target, states, why in left]
    targets: dict[tuple[str, str, str], list[str]] = {}
    for label, target, states, why in left:
        targets.setdefault((label, states, why), []).append(target)
    labels: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for (label, states, why), where in targets.items():
        why = why.removeprefix(f"{label} ")  # some begin with their label, and each would stand alone
        labels.setdefault((states, tuple(where), why), []).append(label)
    return [
        _note(f"{states}{' each' * (len(where) * len(some) > 1)} at {listed(where)}", why, f" ({listed(some)})")
        for (states, where, why), some in labels.items()
    ]


def _states(cell: dict[str, Any]) -> str:
    return ", ".join(f"{int(cell[state])} {state}" for state in STATES if cell[state])


def _note(what: str, why: str, whose: str = "") -> str:
    return one_line(f"{what}{f': {why}' if why else ''}{whose}")


def partial(section: Section, totals: DataFrame) -> list[str]:
    """Return whose costs are of fewer sizes than others: a note for each label, of many one for each number."""
    sizes = len(section.targets)
    served = zip(totals["method"], totals["targets"], strict=True) if len(totals) else []
    fewer = [(label, f"stored and cost are of {n} of {sizes} sizes only") for label, n in served if n < sizes]
    if len(section.methods) <= MOST:
        return [one_line(f"{label}: {what}") for label, what in fewer]
    labels: dict[str, list[str]] = {}
    for label, what in fewer:
        labels.setdefault(what, []).append(label)
    return [one_line(f"{what} ({listed(some)})") for what, some in labels.items()]
