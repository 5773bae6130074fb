"""From one DataFrame of runs to everything a reviewer wants: tables, pictures, statistics, cost, a page.

A report is made of `runs` (a row per run, see columns.RUNS), `curves` (a row per evaluation, see columns.CURVES) and
`training` (a row per epoch of whatever was trained, see columns.TRAINING), which it writes beside everything else, so
that it can be made again from them alone:

    curves, training = read_curves(path.with_name("curves.csv")), read_training(path.with_name("training.csv"))
    write_report(read_runs(path), curves, out, title="...", training=training)

Layers, each of which imports only those before it: columns, format, style; conform, then frames; analysis; tables;
plots and page; write. Importing this package is light, for a fast start: pandas, scipy and matplotlib are imported
by what needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.frames import (
    ReportError,
    read_curves,
    read_runs,
    read_training,
    write_curves,
    write_runs,
    write_training,
)

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console

__all__ = [
    "ReportError",
    "print_table",
    "read_curves",
    "read_runs",
    "read_training",
    "write_curves",
    "write_report",
    "write_runs",
    "write_training",
]


def write_report(
    runs: DataFrame,
    curves: DataFrame,
    out: str | Path,
    *,
    title: str,
    training: DataFrame | None = None,
    context: Mapping[str, Any] | None = None,
    console: Console | None = None,
    force: bool = False,
) -> list[Path]:
    """Write the whole report into the folder `out` (made if need be) and return the paths, runs.csv first.

    The files appear when all are made. One of an earlier report is replaced; for one that no report wrote UsageError is
    raised, unless `force` says that it may be replaced, too.

    training: None where nothing is known of it. context: what else the page shall show about where the results come
    from, {name: text}; `context["methods"]`, if given, is {method: docstring}; a method without one is said to be from
    outside the project.
    console: where to print as `print_table` does.
    Raises ReportError for frames that are no results of this project. A half-finished suite is reported as it is.
    """
    from bench.report.write import write

    return write(runs, curves, training, Path(out), title, dict(context or {}), console, force)


def print_table(runs: DataFrame, console: Console) -> None:
    """Print the accuracy tables of all sections on a terminal, with failures and warnings; never wider than it."""
    from bench.report.tables.terminal import print_table

    print_table(runs, console)
