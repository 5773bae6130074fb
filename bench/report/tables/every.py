"""All tables of a section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.tables.accuracy import LABELS, accuracy
from bench.report.tables.across import across, shift
from bench.report.tables.claims import differences
from bench.report.tables.costs import break_even, parts, reach, storage, targets
from bench.report.tables.early import early
from bench.report.tables.model import Table

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis


def tables_of(analysis: Analysis) -> dict[str, Table]:
    """Return name -> table, in the order in which they are shown, without the empty ones."""
    section, totals = analysis.section, analysis.totals
    tables = {
        metric: accuracy(section, analysis.summary, totals, analysis.best.get(metric), metric) for metric in LABELS
    }
    tables["cost"] = parts(section, totals)
    tables["storage"] = storage(section, totals)
    tables["break_even"] = break_even(section, analysis.break_even)
    tables["reach"] = reach(section, analysis.reach)
    tables = {name: table.grouped(analysis.groups) for name, table in tables.items()}
    tables["early"] = early(analysis)
    joined = {"across": across(analysis), "shift": shift(analysis)}
    tables = {"top1": tables.pop("top1"), "differences": differences(analysis), **joined} | tables
    tables["targets"] = targets(section)
    return {name: table for name, table in tables.items() if table.rows}
