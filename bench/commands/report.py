"""`bench report`: tables, plots and the page, from what is there; rows of several sources are joined."""

import argparse
import inspect
import re
import shlex
from argparse import Namespace
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import methods
from bench.commands.common import console, frames, last_plan, nothing_there, of_last_run
from bench.errors import UsageError, printable
from bench.files import unwritable
from bench.plan import Plan
from bench.report import read_curves, read_runs, read_training, write_report
from bench.report.conform import conform_curves
from bench.report.join.joined import join
from bench.report.join.part import Part
from bench.store import Store
from bench.suite import yaml_lines

if TYPE_CHECKING:
    from pandas import DataFrame

RESULTS = Path("results")


@dataclass(frozen=True)
class Material:
    """What a report is made of; folder: that of the one suite that it is of, if it is of results in one folder."""

    runs: "DataFrame"
    curves: "DataFrame"
    training: "DataFrame"
    title: str
    context: dict[str, Any]
    folder: Path | None = None


def main(options: argparse.Namespace) -> int:
    sources = options.source or []
    results = options.results or [RESULTS]
    if not sources and not options.suite:
        raise UsageError("report: expected suite files, or --from RUNS.csv --out DIR")
    joins = len(sources) + (len(results) if options.suite else 0) > 1
    if (joins or sources) and not options.out:
        raise UsageError(f"report {'of joined results' if joins else '--from'}: expected --out DIR too")
    if options.results and not options.suite:
        raise UsageError("report --results: expected the suite files whose results are meant")
    if joins:
        report = joined(sources, results if options.suite else [], options)
    elif sources:
        report = of_file(sources[0])
    else:
        report = of_results(results[0], options)
    out = options.out or report.folder
    if out is None:
        raise UsageError("report: several suites need --out DIR")
    writable(out)
    force = options.force or out == report.folder
    context = report.context | {"methods": documentation(report.runs) | report.context.get("methods", {})}
    described_by = {"title": report.title, "context": context, "training": report.training}
    written = write_report(report.runs, report.curves, out, **described_by, console=console(), force=force)
    print(f"{len(written)} files in {out}")
    return 0


def of_file(source: Path) -> Material:
    """What a file of runs says, with curves and training beside it."""
    runs, curves = read_runs(source), read_curves(source.with_name("curves.csv"))
    training = read_training(source.with_name("training.csv"))
    return Material(runs, curves, training, ", ".join(dict.fromkeys(runs["suite"])), {"made from": str(source)})


def of_results(results: Path, options: argparse.Namespace) -> Material:
    """What the suites on the command line have left in a results folder."""
    import pandas

    options = Namespace(**vars(options) | {"results": results})
    if len(options.suite) > 1 and not options.out:
        raise UsageError("report: several suites need --out DIR")
    plans = [last_plan(suite, options) for suite in options.suite]
    if several := [name for name, n in Counter(plan.suite.name for plan, _, _ in plans).items() if n > 1]:
        raise UsageError(f"report: expected suites of different names, found several named {', '.join(several)}")
    remarks: dict[str, str] = {}
    for suite, (plan, store, note) in zip(options.suite, plans, strict=True):
        remarks |= _remarks(suite, plan, store, note, options)
    parts = [frames(plan, store) for plan, store, _ in plans]
    runs, curves, training = (pandas.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
    title = ", ".join(plan.suite.name for plan, _, _ in plans)
    context = described([plan for plan, _, _ in plans], options) | remarks
    suite_folders = [store.suite(plan.suite.name) for plan, store, _ in plans]  # all in these is a report's
    folder = suite_folders[0] if options.out in (None, *suite_folders) else None
    return Material(runs, curves, training, title, context, folder)


def _remarks(suite: Path, plan: Plan, store: Store, note: str | None, options: argparse.Namespace) -> dict[str, str]:
    if note:
        print(printable(note))
    if missing := nothing_there(plan, store):
        print(f"note: {missing}")
    if remark := of_last_run(suite, plan, options):
        print(printable(f"note: {plan.suite.name}: {remark}"))
        return {f"last run of {plan.suite.name}": remark}
    return {}


def joined(sources: list[Path], results: list[Path], options: argparse.Namespace) -> Material:
    """The rows of all files and results folders in one; the user ran those of results folders."""
    materials = [(root, True, of_results(root, options)) for root in results]
    materials += [(file, False, of_file(file)) for file in sources]
    parts: list[Part] = [
        _part(place, name, is_own, report)
        for (place, is_own, report), name in zip(materials, _names(materials), strict=True)
    ]
    together = join(parts, across=options.across)
    for note in together.notes:
        print(printable(f"note: {note}"))
    whence = {f"joined: {part.source}": part.place for part in parts}
    notes = {f"joined, note {number}": note for number, note in enumerate(together.notes, start=1)}
    context = next((report.context for _, is_own, report in materials if is_own), {})
    words = [word for file in sources for word in ("--from", str(file))]
    words += [word for root in results for word in ("--results", str(root))] + ["--across"] * options.across
    command = f"{context.get('command', 'python -m bench report')} {shlex.join(words)}"
    title = ", ".join(dict.fromkeys(together.runs["suite"]))
    context = context | {"command": command} | whence | notes
    return Material(together.runs, conform_curves(together.curves), together.training, title, context)


def _part(place: Path, name: str, is_own: bool, report: Material) -> Part:
    return Part(name, str(place), is_own, report.runs, report.curves, report.training)


def _names(materials: list[tuple[Path, bool, Material]]) -> list[str]:
    """A short name for each source: its suite, else its folder, where these tell all apart; else numbered."""
    suites = ["+".join(dict.fromkeys(report.runs["suite"])) for _, _, report in materials]
    folders = [(place if is_own else place.parent).absolute().name for place, is_own, _ in materials]
    chosen = next((names for names in (suites, folders) if len(set(names)) == len(names)), suites)
    plain = [re.sub(r"[^\w.+-]+", "_", name) or "results" for name in chosen]
    return [name if plain.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(plain, start=1)]


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


def documentation(runs: "DataFrame") -> dict[str, str]:
    """Return what the methods of this project that rows name say of themselves, by method. Methods from outside are not
    imported: a file of results is no reason to run code that it names."""
    named = {*runs["method_use"], *runs["method"]}
    return {name: inspect.getdoc(methods.method_class(name)) or "" for name in methods.names() if name in named}


def writable(out: Path) -> None:
    """Raise UsageError where a report cannot be written to a folder, before it is made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror}") from None
    if unwritable(out):
        raise UsageError(f"{out}: no permission to write there; expected --out with a folder of yours")
