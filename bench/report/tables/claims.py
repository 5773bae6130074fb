"""What may be claimed: paired differences over all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.analysis.comparisons import ALL
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW
from bench.report.format import interval, one_line
from bench.report.tables.model import Cell, Table, only, quoted

if TYPE_CHECKING:
    from pandas import DataFrame


def differences(section: Section, comparisons: DataFrame) -> Table:
    """Return a row per pair of methods, over all targets. Its numbers are of the cells that both have finished for all
    their common seeds: those with as many seeds as there are in all."""
    rows = []
    each = comparisons[(comparisons["target"] != ALL) & (comparisons["metric"] == "top1")]
    cells = each.groupby(["method_a", "method_b", "n"])["target"].agg(list).to_dict()
    overall = comparisons[(comparisons["target"] == ALL) & (comparisons["metric"] == "top1")]
    for row in overall.to_dict("records"):
        pair = [row["method_a"], row["method_b"]]
        first, second = (quoted(section.suite, method, section.dataset) for method in pair)
        both = quoted(section.suite, pair, section.dataset, *only(cells.get((*pair, row["n"]), []), section.targets))
        texts = [interval(row["difference"], row["low"], row["high"], digits=2), str(row["n"]), str(row["cells"])]
        texts += [_p(row["p_holm"]), _verdict(row)]
        names = [Cell(one_line(method), runs=runs) for method, runs in zip(pair, (first, second), strict=True)]
        rows.append([*names, *(Cell(text, runs=both) for text in texts)])
    header = ["method", "minus", "difference (points)", "n", "cells", "p (Holm)", "at 95%"]
    caption = (
        "Difference of test top-1 between two methods at the same targets and seeds: mean over the cells that both "
        f"have finished, paired t-test over seeds, p-values Holm-corrected over "
        f"{overall['p_holm'].notna().sum()} pairs."
    )
    return Table(f"{section.title}: paired differences", header, rows, caption, fixed=2, left=2)


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
