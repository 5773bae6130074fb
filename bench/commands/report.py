"""`bench report`: tables, plots and the page, from what is there."""

import argparse
import inspect
import shlex
from pathlib import Path
from typing import Any

from bench.commands.common import console, frames, last_plan
from bench.errors import UsageError
from bench.plan import Plan


def main(options: argparse.Namespace) -> int:
    import pandas

    from bench.report import read_curves, read_runs, write_report

    if bool(options.source) == bool(options.suite):
        raise UsageError("report: expected suite files, or --from RUNS.csv --out DIR")
    if options.source:
        if not options.out:
            raise UsageError("report --from: expected --out DIR too")
        runs, curves = read_runs(options.source), read_curves(options.source.with_name("curves.csv"))
        title, out, context = ", ".join(dict.fromkeys(runs["suite"])), options.out, {"made from": str(options.source)}
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
        context = described([plan for plan, _, _ in plans], options)
    _writable(out)
    written = write_report(runs, curves, out, title=title, context=context, console=console())
    print(f"{len(written)} files in {out}")
    return 0


def described(plans: list[Plan], options: argparse.Namespace) -> dict[str, Any]:
    """What the page says of where its numbers come from; docstrings of methods from outside."""
    outside = {
        method.use: inspect.getdoc(type(method.initializer)) or ""
        for plan in plans
        for method in plan.suite.methods
        if ":" in method.use
    }
    files = {f"suite file of {plan.suite.name}": str(plan.suite.path) for plan in plans}
    given = [*(("--set", s) for s in options.settings), *(("--only", o) for o in options.only)]
    words = ["python", "-m", "bench", "report", *map(str, options.suite), *(word for pair in given for word in pair)]
    return {"command": shlex.join(words), **files, "methods": outside}


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror}") from None
