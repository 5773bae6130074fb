"""The table of a report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.analysis.cautions import warnings_of
from bench.report.analysis.comparisons import compare, winners
from bench.report.analysis.cost import totals
from bench.report.analysis.leading import groups, leading
from bench.report.analysis.sections import Section, sections
from bench.report.analysis.summary import summarise
from bench.report.conform import conform_runs
from bench.report.format import one_line
from bench.report.tables.accuracy import accuracy, setting
from bench.report.tables.model import Table

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

CAPTION = (
    "Test top-1 (%), mean ± half width of the 95% interval over n seeds. Bold: ahead of every other at 95%. "
    "stored: parameters without the head; total: FLOPs for all sizes, what is shared counted once."
)
LEFT_OUT = {"setting", "prepare", "init + train"}  # in the report; here the sizes shall fit beside each other
STATE_STYLE = {"failed": "red", "skipped": "yellow", "missing": "dim"}


def print_table(runs: DataFrame, console: Console) -> None:
    """Print methods down, sizes across: mean ± half width of the 95% interval, n, stored parameters, cost; then what is
    failed, skipped or missing, and what to be careful about. Never wider than the console: wide tables are split.
    """
    runs = conform_runs(runs)
    for section in sections(runs):
        best, summary = winners(section, compare(section)), summarise(section)
        table = accuracy(section, summary, totals(section), best)
        _print(section, table.grouped(groups(section, leading([section], summary), summary)), console)
    _warn(runs, console)


def print_tables(tables: Sequence[tuple[Section, Table]], runs: DataFrame, console: Console) -> None:
    """Print the same from the accuracy tables of all sections, where these are there already."""
    for section, table in tables:
        _print(section, table, console)
    _warn(runs, console)


def _print(section: Section, table: Table, console: Console) -> None:
    for part in table.plain().without(LEFT_OUT).split(console.width - 1):
        console.print(rich_table(part))
    console.print(_plain(CAPTION), style="dim")
    for method in section.methods:
        if text := setting(section, method):
            console.print(_plain(f"- {method}: {text}"), style="dim")
    for note in table.notes:
        console.print(_plain(f"- {note}"), style="yellow")


def _warn(runs: DataFrame, console: Console) -> None:
    for warning in warnings_of(runs):
        console.print(_plain(f"! {warning}"), style="bold yellow")


def rich_table(table: Table) -> RichTable:
    """Return a table as the terminal shows it."""
    from rich.table import Table as RichTable
    from rich.text import Text

    rich = RichTable(title=Text(one_line(table.title), style="bold"), title_justify="left")
    for i, name in enumerate(table.header):
        rich.add_column(Text(name), justify="left" if i < table.left else "right", overflow="fold")
    for row in table.rows:
        texts = [Text(c.text, style="bold" if c.bold else STATE_STYLE.get(c.text, "")) for c in row]
        rich.add_row(*texts)
    return rich


def _plain(text: str) -> Text:
    """Text from suites is neither markup nor control codes."""
    from rich.text import Text

    return Text(one_line(text))
