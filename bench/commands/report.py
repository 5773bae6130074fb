"""`bench report`: tables, plots and the page, from what is there."""

import argparse
from pathlib import Path

from bench.commands.common import console, frames, last_plan
from bench.errors import UsageError


def main(options: argparse.Namespace) -> int:
    import pandas

    from bench.report import print_table, read_curves, read_runs, write_report

    if bool(options.source) == bool(options.suite):
        raise UsageError("report: expected suite files, or --from RUNS.csv --out DIR")
    if options.source:
        if not options.out:
            raise UsageError("report --from: expected --out DIR too")
        runs, curves = read_runs(options.source), read_curves(options.source.with_name("curves.csv"))
        title, out = ", ".join(dict.fromkeys(runs["suite"])), options.out
    else:
        if len(options.suite) > 1 and not options.out:
            raise UsageError("report: several suites need --out DIR")
        plans = [last_plan(suite, options) for suite in options.suite]
        for _, _, note in plans:
            if note:
                print(note)
        parts = [frames(plan, store) for plan, store, _ in plans]
        runs, curves = (pandas.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
        title = ", ".join(plan.suite.name for plan, _, _ in plans)
        out = options.out or plans[0][1].suite(plans[0][0].suite.name)
    print_table(runs, console())
    _writable(out)
    written = write_report(runs, curves, out, title=title)
    print(f"{len(written)} files in {out}")
    return 0


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror}") from None
