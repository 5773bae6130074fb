"""What is said of joined results: whose rows are whose, and what is shown between kinds of device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.report.analysis.comparisons import AHEAD, BEHIND, OPEN
from bench.report.analysis.statistics import ENOUGH
from bench.report.tables.across import apart
from bench.words import few, listed

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis

OWN = " (own)"  # how a source ends whose rows the user ran


@dataclass(frozen=True)
class Sentence:
    """kind: run, best, behind, level, control, cost, pays, storage, across or not shown.

    family: its name and correction.
    """

    kind: str
    text: str
    family: str = ""


def joined(analysis: Analysis) -> Iterator[Sentence]:
    """Whose rows are whose."""
    section = analysis.section
    known = any(source.endswith(OWN) for source in section.sources)
    for source, labels in section.sources.items():
        other = "Joined from a table, not run by you" if known else "Joined from a table"
        what = "Your own rows" if source.endswith(OWN) else other
        yield Sentence("run", f"{what} ({source.removesuffix(OWN)}): {listed(labels)}.")


def across_devices(analysis: Analysis) -> Iterator[Sentence]:
    """What is compared between kinds of device, through which labels, and how far these shift."""
    rows = analysis.across
    for (a, b), group in rows.groupby(["block_a", "block_b"], sort=False) if len(rows) else ():
        moved = analysis.shift[(analysis.shift["block_a"] == a) & (analysis.shift["block_b"] == b)]
        shifts = listed([f"{row['method_a']} {_signed(row, 'shift')}" for row in moved.to_dict("records")])
        through = f"Between {a} and {b}, through what both have run (shift in points: {shifts})"
        if group[["n_a", "n_b"]].min(axis=None) < ENOUGH:
            text = f"{through}: with fewer than {ENOUGH} seeds nothing is said here of which is better."
            yield Sentence("not shown", text)
            continue
        shown = group[group["verdict"] != OPEN].to_dict("records")
        sides = {AHEAD: "is ahead of", BEHIND: "is behind"}
        words = [f"{r['method_a']} {sides[r['verdict']]} {r['method_b']} ({_signed(r, 'difference')})" for r in shown]
        what = few(words) if words else "no difference is shown"
        rest = f"; {len(group) - len(shown)} of {len(group)} pairs are open" if len(shown) < len(group) else ""
        family = f"across devices, indirect; Holm over {len(group)} pairs"
        yield Sentence("across", f"{through}: {what}{rest}.", family)
    for text in apart(analysis.section):
        yield Sentence("not shown", text)


def _signed(row: dict[str, Any], name: str) -> str:
    half = (row["high"] - row["low"]) / 2
    return f"{row[name]:+.2f}" + (f" ± {half:.2f}" if half == half else "")
