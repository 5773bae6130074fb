"""What others call of the report beside its frames. Light to import: what it takes is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console


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
