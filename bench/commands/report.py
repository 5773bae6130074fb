"""`bench report`: tables, plots and the page, from what is there."""

import argparse
import inspect
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from bench.commands.common import console, frames, last_plan, nothing_there, of_last_run
from bench.errors import UsageError
from bench.plan import Plan
from bench.report import read_curves, read_runs, read_training, write_report
from bench.suite import yaml_lines


def main(options: argparse.Namespace) -> int:
    import pandas

    if bool(options.source) == bool(options.suite):
        raise UsageError("report: expected suite files, or --from RUNS.csv --out DIR")
    if options.source:
        if not options.out:
            raise UsageError("report --from: expected --out DIR too")
        if len(options.source) > 1:
            files = ", ".join(map(str, options.source))
            raise UsageError(
                f"report --from: expected one file, found {len(options.source)}: {files}; "
                "make a report of each, or one of their suites: bench report SUITE... --out DIR"
            )
        (source,) = options.source
        runs, curves = read_runs(source), read_curves(source.with_name("curves.csv"))
        training = read_training(source.with_name("training.csv"))
        title, out, context = ", ".join(dict.fromkeys(runs["suite"])), options.out, {"made from": str(source)}
        own: list[Path] = []
    else:
        if len(options.suite) > 1 and not options.out:
            raise UsageError("report: several suites need --out DIR")
        plans = [last_plan(suite, options) for suite in options.suite]
        if several := [name for name, n in Counter(plan.suite.name for plan, _, _ in plans).items() if n > 1]:
            raise UsageError(f"report: expected suites of different names, found several named {', '.join(several)}")
        remarks: dict[str, str] = {}
        for suite, (plan, store, note) in zip(options.suite, plans, strict=True):
            if note:
                print(note)
            if missing := nothing_there(plan, store):
                print(f"note: {missing}")
            if remark := of_last_run(suite, plan, options):
                print(f"note: {plan.suite.name}: {remark}")
                remarks[f"last run of {plan.suite.name}"] = remark
        parts = [frames(plan, store) for plan, store, _ in plans]
        runs, curves, training = (pandas.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
        title = ", ".join(plan.suite.name for plan, _, _ in plans)
        own = [store.suite(plan.suite.name) for plan, store, _ in plans]  # all in these is a report's
        out = options.out or own[0]
        context = described([plan for plan, _, _ in plans], options) | remarks
    _writable(out)
    force = options.force or out in own
    described_by = {"title": title, "context": context, "console": console(), "training": training}
    written = write_report(runs, curves, out, **described_by, force=force)
    print(f"{len(written)} files in {out}")
    return 0


def described(plans: list[Plan], options: argparse.Namespace) -> dict[str, Any]:
    """Return what the page says of where its numbers come from, and docstrings of methods from outside."""
    outside = {
        method.use: inspect.getdoc(type(method.initializer)) or ""
        for plan in plans
        for method in plan.suite.methods
        if ":" in method.use
    }
    files = {f"suite file of {plan.suite.name}": str(plan.suite.path) for plan in plans}
    settings = [*(("--set", s) for s in options.settings), *(("--only", o) for o in options.only)]
    words = ["python", "-m", "bench", "report", *map(str, options.suite), *(word for pair in settings for word in pair)]
    return {"command": shlex.join(words), **files, "methods": outside, "setup": _setup(plans)}


def _setup(plans: list[Plan]) -> dict[str, str]:
    """Return what the suites say of data, sizes and recipes, which the rows of runs do not: name -> text."""
    parts = {}
    for plan in plans:
        for entry in plan.suite.data:
            seen = entry.description
            images = ", ".join(f"{number} {part}" for part, number in seen.counts.items())
            size = f"{seen.img_size} x {seen.img_size} pixels, {seen.in_chans} channels, {seen.num_classes} classes"
            parts[f"{plan.suite.name}: data set {entry.name}"] = f"{images} images of {size}"
        keys = ("train", "ancestor", "ancestors", "targets", "tune", "families")
        resolved = {key: plan.suite.resolved[key] for key in keys if key in plan.suite.resolved}
        parts[f"{plan.suite.name}: recipe, ancestor and targets as the suite has them"] = yaml_lines.dump(resolved)
    return parts


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror}") from None
