"""Everything that is computed about one section, once, for tables, pictures and page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.report.analysis.across import across, shift
from bench.report.analysis.break_even import break_even
from bench.report.analysis.comparisons import compare, winners
from bench.report.analysis.cost import totals
from bench.report.analysis.early import early
from bench.report.analysis.families import PairFamily, families_of
from bench.report.analysis.frontier import frontier
from bench.report.analysis.leading import LabelGroup, groups, leading
from bench.report.analysis.reach import reach
from bench.report.analysis.sections import Section, sections
from bench.report.analysis.standing import Standing, standing
from bench.report.analysis.summary import summarise

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Analysis:
    """A section and the frames made of it (see the modules that make them)."""

    section: Section
    curves: DataFrame  # of the section's finished runs, with columns method, target, seed
    summary: DataFrame
    comparisons: DataFrame
    totals: DataFrame
    reach: DataFrame
    break_even: DataFrame
    frontier: DataFrame
    early: DataFrame
    shift: DataFrame  # of joined results, as across
    across: DataFrame
    standing: Standing  # over all sections of the suite, the same for each
    training: DataFrame | None  # all that the suite trained, a row per epoch; None where nothing is known of it
    best: dict[str, dict[str, str]]  # metric -> target -> method that may be called best
    families: list[PairFamily]
    leading: list[str]  # labels that tables show first and pictures alone
    groups: list[LabelGroup]  # of labels in tables; none where all of them lead

    def narrowed(self) -> Analysis:
        """Return the analysis of the leading labels alone, computed among all of them."""
        if set(self.leading) >= set(self.section.methods):
            return self
        chosen = {name: frame[frame["method"].isin(self.leading)] for name, frame in self._by_method().items()}
        runs, pairs = chosen.pop("runs"), self.comparisons
        if len(self.frontier):  # whole: a line between others would claim that there is nothing in between
            here = self.frontier["method"].isin(self.leading) | self.frontier["on_frontier"]
            chosen["frontier"] = self.frontier[here]
        both = pairs["method_a"].isin(self.leading) & pairs["method_b"].isin(self.leading)
        section = Section(self.section.suite, self.section.dataset, runs)
        return replace(self, section=section, comparisons=pairs[both], **chosen)

    def _by_method(self) -> dict[str, DataFrame]:
        names = ("curves", "summary", "totals", "reach", "break_even")
        return {"runs": self.section.runs} | {name: frame for name in names if len(frame := getattr(self, name))}


def analyse(runs: DataFrame, curves: DataFrame, training: DataFrame | None = None) -> list[Analysis]:
    """Return an analysis per section, suite by suite."""
    import pandas as pd

    suites: dict[str, list[Section]] = {}
    for section in sections(runs):
        suites.setdefault(section.suite, []).append(section)
    analyses = []
    for members in suites.values():
        summaries = [summarise(section) for section in members]
        of_suite = standing(members)
        whole = pd.concat(summaries)
        first = leading(members, whole)
        for section, summary in zip(members, summaries, strict=True):
            of_labels = groups(section, first, whole)
            analyses.append(_analyse(section, summary, curves, training, of_suite, first, of_labels))
    return analyses


def _analyse(
    section: Section,
    summary: DataFrame,
    curves: DataFrame,
    training: DataFrame | None,
    standing: Standing,
    leading: list[str],
    groups: list[LabelGroup],
) -> Analysis:
    of_runs = section.done[["run", "method", "target", "seed"]]
    curves = curves.merge(of_runs, on="run", how="inner")
    comparisons = compare(section)
    costs = totals(section)
    blocks = [(part, curves[curves["method"].isin(part.methods)]) for part in section.by_block()]
    paid = [break_even(part, rows, costs if len(blocks) == 1 else totals(part)) for part, rows in blocks]
    return Analysis(
        section=section,
        curves=curves,
        summary=summary,
        comparisons=comparisons,
        totals=costs,
        reach=together([reach(part, rows) for part, rows in blocks]),
        break_even=together(paid),
        frontier=frontier(section, costs, comparisons),
        early=early(section, blocks, comparisons),
        shift=shift(section),
        across=across(section),
        standing=standing,
        training=None if training is None else training[training["suite"] == section.suite],
        best={metric: winners(section, comparisons, metric) for metric in comparisons["metric"].unique()},
        families=families_of(section),
        leading=[label for label in leading if label in section.methods],
        groups=groups,
    )


def together(frames: list[DataFrame]) -> DataFrame:
    """Return the rows of frames of the same columns, of which some may be empty."""
    import pandas as pd

    rows = [frame for frame in frames if len(frame)]
    return pd.concat(rows, ignore_index=True) if len(rows) > 1 else (rows or frames)[0]


def by_suite(analyses: list[Analysis]) -> dict[str, list[Analysis]]:
    """Return suite -> its analyses: one set of pictures each."""
    suites: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        suites.setdefault(analysis.section.suite, []).append(analysis)
    return suites
