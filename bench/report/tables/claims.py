"""What may be claimed: paired differences over all cells, by family of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.analysis.comparisons import ALL
from bench.report.analysis.families import PairFamily, missing
from bench.report.analysis.leading import by_accuracy
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW
from bench.report.format import interval, one_line
from bench.report.tables.accuracy import LABELS
from bench.report.tables.model import Cell, Rows, Table, only, quoted

if TYPE_CHECKING:
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis

FIRST = 24  # rows of a family that are shown before one asks for the rest
SHORT = 60  # a table that is shown whole


def differences(analysis: Analysis) -> Table:
    """Return a row per family and pair of labels, over all targets. Its numbers are of the cells that both have
    finished for all their common seeds: those with as many seeds as there are in all."""
    section = analysis.section
    every = [_rows(analysis, family) for family in analysis.families]
    few = sum(map(len, every)) <= SHORT
    first, rest = (
        [row for rows in every for row in some(rows)] for some in ((lambda r: r[:FIRST]), (lambda r: r[FIRST:]))
    )
    rows = [row for rows in every for row in rows] if few else [*first, *rest]
    header = ["method", "minus", "family", "difference (points)", "n", "cells", "p (Holm)", "p level (Holm)", "verdict"]
    notes = [_described(section, family) for family in analysis.families]
    caption = (
        "Difference between two labels at the same targets and seeds: mean over the cells that both have finished, "
        "paired t-test over seeds, Holm-corrected within the family. ahead, behind: p < 0.05; level: the mean lies "
        "within the family's margin (two one-sided t-tests, p < 0.05); open: neither is shown."
    )
    groups = [] if few or not rest else [Rows("", len(rows), len(rows) - len(rest))]
    return Table(f"{section.title}: paired differences", header, rows, caption, notes, fixed=2, left=3, groups=groups)


def _rows(analysis: Analysis, family: PairFamily) -> list[list[Cell]]:
    """The pairs of a family: by what they are compared with, then by accuracy."""
    section, comparisons = analysis.section, analysis.comparisons
    comparisons = comparisons[comparisons["family"] == family.name]
    each = comparisons[comparisons["target"] != ALL]
    cells = each.groupby(["method_a", "method_b", "n"])["target"].agg(list).to_dict()
    overall = comparisons[comparisons["target"] == ALL]
    rows = []
    for row in _ordered(overall, analysis.summary, family).to_dict("records"):
        pair = [row["method_a"], row["method_b"]]
        first, second = (quoted(section.suite, method, section.dataset) for method in pair)
        both = quoted(section.suite, pair, section.dataset, *only(cells.get((*pair, row["n"]), []), section.targets))
        texts = [one_line(family.name), interval(row["difference"], row["low"], row["high"], digits=2), str(row["n"])]
        texts += [str(row["cells"]), _p(row["p_holm"]), _p(row["p_equivalence_holm"]), _verdict(row)]
        names = [Cell(one_line(method), runs=runs) for method, runs in zip(pair, (first, second), strict=True)]
        rows.append([*names, *(Cell(text, runs=both) for text in texts)])
    return rows


def _ordered(rows: DataFrame, summary: DataFrame, family: PairFamily) -> DataFrame:
    place = {label: i for i, label in enumerate(by_accuracy(summary))}
    labels = rows[["method_a", "method_b"]]
    ranks = labels.apply(lambda column: column.map(place))
    if family.among:
        keys = {"first": ranks.min(axis=1), "second": ranks.max(axis=1)}
    else:
        keys = {"first": labels["method_b"].map(family.references.index), "second": ranks["method_a"]}
    return rows.assign(**keys).sort_values(["first", "second"], kind="stable")


def _described(section: Section, family: PairFamily) -> str:
    """What a family tests, and whether it is filled."""
    over = f" at {', '.join(family.targets)}" if family.targets else ""
    metric = "" if family.metric == "top1" else f" of {LABELS[family.metric]}"
    margin = f", level within {family.margin:g} points" if family.margin else ", no margin: nothing is called level"
    left = missing(section, family)
    partly = f"; PARTLY FILLED, so no verdict: {left}" if left else ""
    return one_line(f"{family.title}{metric}{over}{margin}{partly}")


def _p(p: float) -> str:
    if p != p:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _verdict(row: dict) -> str:
    if not row["verdict"]:
        return "family partly filled"
    return "too few seeds" if row["n"] < FEW else row["verdict"]
