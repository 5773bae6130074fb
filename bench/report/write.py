"""All files of a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.collector import collector_at_rest
from bench.report.analysis.section_analysis import Analysis, analyse, by_suite
from bench.report.columns import TRAINING
from bench.report.conform import conform_curves, conform_runs, conform_training
from bench.report.drawing import begun, slug
from bench.report.folder import PAGE, publish, staged
from bench.report.frames import empty, write_csv, write_text
from bench.report.page.html import page
from bench.report.style import looks
from bench.report.tables import latex, markdown
from bench.report.tables.every import tables_of
from bench.report.tables.joined import Sentence
from bench.report.tables.model import Table
from bench.report.tables.sentences import sentences
from bench.report.tables.terminal import print_tables

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console


def write(
    runs: DataFrame,
    curves: DataFrame,
    training: DataFrame | None,
    out: Path,
    title: str,
    context: dict[str, Any],
    console: Console | None,
    ours: bool,
) -> list[Path]:
    """Write what `bench.report.write_report` promises."""
    with collector_at_rest():
        runs, curves = conform_runs(runs), conform_curves(curves)
        training = conform_training(empty(TRAINING) if training is None else training)
        with staged(out) as folder:
            return publish(_write(runs, curves, training, folder, title, context, console), out, ours=ours)


def _write(
    runs: DataFrame,
    curves: DataFrame,
    training: DataFrame,
    out: Path,
    title: str,
    context: dict[str, Any],
    console: Console | None,
) -> list[Path]:
    analyses = analyse(runs, curves, training)
    styles = looks({label: use for a in analyses for label, use in a.section.use.items()})
    with begun(by_suite(analyses), styles, out) as pictures:
        tables = [tables_of(analysis) for analysis in analyses]
        if console is not None:
            sections = [analysis.section for analysis in analyses]
            print_tables([(s, t["top1"]) for s, t in zip(sections, tables, strict=True)], runs, console)
        frames = {"runs": runs, "curves": curves, "training": training}
        paths = [write_csv(frame, out / f"{name}.csv") for name, frame in frames.items()]
        answers = [sentences(analysis) for analysis in analyses]
        paths += [*_frames(analyses, out), *_tables(analyses, tables, answers, out)]
        drawn = pictures()
    paths += [path for picture in drawn for path in picture.files]
    html = page(runs, analyses, tables, answers, drawn, styles, title, context)
    return [*paths, write_text(out / PAGE, html)]


def _frames(analyses: list[Analysis], out: Path) -> list[Path]:
    import pandas as pd

    frames = {
        "summary": [a.summary for a in analyses],
        "comparisons": [a.comparisons for a in analyses],
        "cost": [a.totals for a in analyses],
        "break_even": [a.break_even for a in analyses],
        "reach": [a.reach for a in analyses],
        "frontier": [a.frontier for a in analyses],
        "early": [a.early for a in analyses],
        "shift": [a.shift for a in analyses if len(a.shift)],
        "across": [a.across for a in analyses if len(a.across)],
        "ranking": [members[0].standing.frame() for members in by_suite(analyses).values()],
    }
    optional = {"shift", "across"}  # of joined results alone
    return [
        write_csv(pd.concat(parts or [pd.DataFrame()]), out / f"{name}.csv")
        for name, parts in frames.items()
        if parts or name not in optional
    ]


def _tables(
    analyses: list[Analysis], tables: list[dict[str, Table]], answers: list[list[Sentence]], out: Path
) -> list[Path]:
    """table_{name}.md and .tex, with suite and data set in the name where there are several; tables.md has all."""
    paths, every = [], []
    for analysis, named, answer in zip(analyses, tables, answers, strict=True):
        section = analysis.section
        where = "" if len(analyses) == 1 else f"{slug(section.suite)}_{slug(section.dataset)}_"
        every.append(markdown.answer(section.title, [(s.text, s.family) for s in answer]))
        for name, table in named.items():
            every.append(markdown.table(table))
            paths.append(write_text(out / f"table_{where}{name}.md", every[-1]))
            paths.append(write_text(out / f"table_{where}{name}.tex", latex.table(table)))
    return [*paths, write_text(out / "tables.md", "\n".join(every))]
