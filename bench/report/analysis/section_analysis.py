"""Everything that is computed about one section, once, for tables, pictures and page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.analysis.break_even import break_even
from bench.report.analysis.comparisons import COMPARED, compare, winners
from bench.report.analysis.cost import totals
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
    standing: Standing  # over all sections of the suite, the same for each
    training: DataFrame | None  # all that the suite trained, a row per epoch; None where nothing is known of it
    best: dict[str, dict[str, str]]  # metric -> target -> method that may be called best


def analyse(runs: DataFrame, curves: DataFrame, training: DataFrame | None = None) -> list[Analysis]:
    """Return an analysis per section, suite by suite."""
    suites: dict[str, list[Section]] = {}
    for section in sections(runs):
        suites.setdefault(section.suite, []).append(section)
    standings = {suite: standing(members) for suite, members in suites.items()}
    return [
        _analyse(section, curves, training, standings[suite])
        for suite, members in suites.items()
        for section in members
    ]


def _analyse(section: Section, curves: DataFrame, training: DataFrame | None, standing: Standing) -> Analysis:
    import pandas as pd

    of_runs = section.done[["run", "method", "target", "seed"]]
    curves = curves.merge(of_runs, on="run", how="inner")
    comparisons = pd.concat([compare(section, metric) for metric in COMPARED], ignore_index=True)
    costs = totals(section)
    return Analysis(
        section=section,
        curves=curves,
        summary=summarise(section),
        comparisons=comparisons,
        totals=costs,
        reach=reach(section, curves),
        break_even=break_even(section, curves, costs),
        standing=standing,
        training=None if training is None else training[training["suite"] == section.suite],
        best={metric: winners(section, comparisons, metric) for metric in COMPARED},
    )


def by_suite(analyses: list[Analysis]) -> dict[str, list[Analysis]]:
    """Return suite -> its analyses: one set of pictures each."""
    suites: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        suites.setdefault(analysis.section.suite, []).append(analysis)
    return suites
