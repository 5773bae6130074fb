"""`bench doctor`: what this machine can do, what a suite would need, and what of that is missing."""

import argparse
import sys
from collections.abc import Iterable

from bench.commands.common import prepared_folder
from bench.doctor import Finding, machine_findings
from bench.doctor.suite import suite

MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}


def main(options: argparse.Namespace) -> int:
    """0: nothing is missing; 1: something is; 2 (raised): the suite is wrong."""
    sections = {"this machine": list(machine_findings(options.results))}
    if options.suite is not None:
        sections[str(options.suite)] = list(suite(options, prepared_folder(options)))
    for title, findings in sections.items():
        show(title, findings)
    missing = [finding for findings in sections.values() for finding in findings if finding.state == "missing"]
    if options.suite is not None:
        print(f"missing: {len(missing)}" if missing else "nothing is missing")
    return 1 if missing else 0


def show(title: str, findings: Iterable[Finding]) -> None:
    """A table on a terminal; elsewhere a line for each, with nothing cut."""
    if not sys.stdout.isatty():
        print(f"{title}:")
        for f in findings:
            print(f"{f.state:<8}{f.topic:<11}{f.text}" + (f" -> {f.how}" if f.how else ""))
        print()
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for f in findings:
        how = f"\n[dim]{escape(f.how)}[/]" if f.how else ""
        table.add_row(MARKS[f.state], escape(f.topic), escape(f.text) + how)
    Console().print(table)
