"""What may be claimed: paired differences over all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.comparisons import ALL
from bench.report.format import interval, one_line
from bench.report.sections import Section
from bench.report.statistics import FEW
from bench.report.tables.model import Cell, Table, quoted

if TYPE_CHECKING:
    from pandas import DataFrame


def differences(section: Section, comparisons: DataFrame) -> Table:
    """A row per pair of methods, over all targets."""
    rows = []
    overall = comparisons[(comparisons["target"] == ALL) & (comparisons["metric"] == "top1")]
    for row in overall.to_dict("records"):
        names = [_method(section, row[side]) for side in ("method_a", "method_b")]
        texts = [interval(row["difference"], row["low"], row["high"], digits=2), str(row["n"]), str(row["cells"])]
        texts += [_p(row["p_holm"]), _verdict(row)]
        rows.append([*names, *map(Cell, texts)])
    header = ["method", "minus", "difference (points)", "n", "cells", "p (Holm)", "at 95%"]
    caption = (
        "Difference of test top-1 between two methods at the same targets and seeds: mean over the cells that both "
        f"have finished, paired t-test over seeds, p-values Holm-corrected over "
        f"{overall['p_holm'].notna().sum()} pairs."
    )
    return Table(f"{section.title}: paired differences", header, rows, caption, fixed=2, left=2)


def _method(section: Section, label: str) -> Cell:
    return Cell(one_line(label), runs=quoted(section.suite, label, section.dataset))


def _p(p: float) -> str:
    if p != p:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _verdict(row: dict) -> str:
    if row["n"] < FEW:
        return "too few seeds"
    if not row["holds"]:
        return "no difference shown"
    return "better" if row["difference"] > 0 else "worse"
