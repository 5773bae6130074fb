"""`bench compare`: what changed between two tables of results."""

import argparse
from pathlib import Path

from bench.commands.common import console
from bench.report import read_runs


def main(options: argparse.Namespace) -> int:
    from bench.report.join.changes import changes, facts, table
    from bench.report.tables.terminal import rich_table

    old, new = (read_runs(_file(path)) for path in (options.old, options.new))
    shown = table(changes(old, new), facts(old, new))
    terminal = console()
    terminal.print(rich_table(shown))
    terminal.print(shown.caption, style="dim", markup=False)
    for note in shown.notes:
        terminal.print(f"- {note}", markup=False)
    return 0


def _file(path: Path) -> Path:
    return path / "runs.csv" if path.is_dir() else path
