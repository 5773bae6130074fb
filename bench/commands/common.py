"""What several commands do: load a suite, find the last run's, write its tables."""

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data import DataSettings, Description, describe
from bench.files import read_file, sha256
from bench.launch.devices import gpus, why_none, without_bf16
from bench.notebook import frames
from bench.plan import Plan, each_kind, make_plan
from bench.results import data_record, kept
from bench.store import Store
from bench.suite import load, overrides, yaml_lines
from bench.suite.paths import located
from bench.suite.problems import Source

if TYPE_CHECKING:
    from rich.console import Console

LARGE = 1e15  # FLOPs: some 3 hours of a CPU core
__all__ = ["console", "frames", "keep_suite", "last_plan", "nothing_there", "of_last_run", "plan_of", "require_device"]


def plan_of(options: argparse.Namespace, *, fetch: bool = False) -> tuple[Plan, Store]:
    """The plan of the suite as given on the command line. fetch: download first what is not there and says so."""
    look_at = partial(describe, fetch=fetch)
    plan = make_plan(load(options.suite, options.settings, look_at=look_at), options.only)
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return plan, Store(options.results)


def require_device(plan: Plan, launcher: str) -> None:
    """Raise SuiteError where the suite wants a GPU and jobs of this launcher, which are done here, would find none.

    Warns where it wants any device and much would be computed on the CPU, and of bf16 where GPUs lack it.
    """
    wish = plan.suite.file.device
    if wish == "cpu" or launcher == "slurm":
        return
    if gpus():
        if any(cell.recipe.precision == "bf16" for cell in plan.cells) and (names := without_bf16()):
            slow = f"{names[0]} has no instructions for bf16, which is slow there"
            print(f"warning: train.precision: {slow}; expected fp16 or fp32", file=sys.stderr)
    elif wish == "cuda":
        missing = f"cuda, but this machine has no GPU to use: {why_none()}"
        raise plan.suite.source.error(("device",), f"{missing}; expected auto or cpu (--set device=cpu)")
    elif (flops := sum(map(plan.training_flops, plan.jobs))) > LARGE:
        where = f"device: auto is the CPU here: {why_none()}"
        print(f"warning: {where}. The suite trains for {flops:.1e} FLOPs, hours to years of a CPU", file=sys.stderr)


def prepared_folder(options: argparse.Namespace) -> str | None:
    """The folder of prepared data sets that the suite or `--set` names."""
    data, lines = yaml_lines.load(options.suite)
    if not isinstance(data, dict):
        return None
    source = Source(options.suite, lines, overrides.apply(data, options.settings), data)
    folder = data.get("prepared")
    return located(folder, source, ("prepared",)) if isinstance(folder, str) else None


def keep_suite(plan: Plan, store: Store, options: argparse.Namespace) -> None:
    """Keep what a run of the suite is about, see `kept.keep`; a warning goes to standard error."""
    if warning := kept.keep(plan, store, options.suite, options.settings, options.only):
        print(f"warning: {warning}", file=sys.stderr)


def warn_of_other_suite(plan: Plan, store: Store, suite: Path, then: str) -> None:
    """Warn where another suite of that name has its tables in the results folder. then: what becomes of them."""
    if warning := kept.other_tables(plan, store, suite, then):
        print(f"warning: {warning}", file=sys.stderr)


def last_plan(suite: Path, options: argparse.Namespace) -> tuple[Plan, Store, str | None]:
    """The plan of the suite's last run, or of the suite as given where `--set` says so or nothing ran.

    The third is a note where the suite file has changed since; it need not even be valid now.
    """
    store = Store(options.results)
    kept_file = None if options.settings else _kept_file(suite, store)
    if kept_file is None:
        return make_plan(load(suite, options.settings, look_at=last_data(suite, store)), options.only), store, None
    header = kept.read(kept_file)
    other = kept.other_suite(suite, kept_file)
    changed = suite.resolve() != kept_file.resolve() and header["sha256"] != sha256(suite) and not other
    note = f"note: {suite} has changed since its last run; this describes the last run ({kept_file})"
    itself = suite.resolve() == kept_file.resolve()
    beside, imports = (Path(header["source"]), None) if itself else (suite, methods_from_outside(suite))
    last = load(kept_file, folder=beside.parent, look_at=data_record.recorded(kept_file.parent), imports=imports)
    notes = [note] if changed else []
    data_names = [entry.name for entry in data_record.entries(last) if entry.settings.source != "builtin"]
    if data_names and not (kept_file.parent / data_record.FILE).exists():
        names = ", ".join(dict.fromkeys(data_names))
        notes.append(f"note: made by an earlier version, whose identities did not contain the images of {names}")
    return make_plan(last, options.only or header["only"]), store, "\n".join(notes) or None


def methods_from_outside(suite: Path) -> set[str]:
    """Those that a suite file names, as far as it can be read: `module:Class`. What a shared results folder names is
    others' code, which is run only where the suite on the command line names it too."""
    data, _ = yaml_lines.load(suite)
    methods = data.get("methods") if isinstance(data, dict) else None
    entries = methods.values() if isinstance(methods, dict) else ()
    uses = {entry.get("use") for entry in entries if isinstance(entry, dict)}
    return {use for use in uses if isinstance(use, str) and ":" in use}


def of_last_run(suite: Path, plan: Plan, options: argparse.Namespace) -> str:
    """Return what differs between the suite as it was given here and its last run, if `last_plan` gave that."""
    if not (read_file(plan.suite.path) or b"").startswith(kept.KEPT.encode()):
        return ""  # the suite as given: it never ran, or `--set` says what is meant
    run = kept.read(plan.suite.path)
    words = [word for setting in run["set"] for word in ("--set", setting)]
    words += [word for label in ([] if options.only else run["only"]) for word in ("--only", label)]
    remarks = [f"this describes its last run, which had {shlex.join(words)}"] if words else []
    if other := kept.other_suite(suite, plan.suite.path):
        remarks.append(f"the last run of this name was of another file, {other}, and this describes that one")
    return "; ".join(remarks)


def nothing_there(plan: Plan, store: Store) -> str:
    """Return what to say where the results folder has nothing of a suite, as a wrong `--results` has; else nothing."""
    begun = {kind: store.ids(kind) for kind, _ in each_kind(plan)}
    if (store.suite(plan.suite.name) / "suite.yaml").is_file() or any(
        job.id in begun[job.kind] for job in plan.jobs.values()
    ):
        return ""
    if not store.root.is_dir():
        return f"there is no results folder {store.root}; expected the --results of bench run, if it ran"
    return f"the results folder {store.root} has no job of {plan.suite.name}; expected the --results of bench run"


def last_data(suite: Path, store: Store) -> Callable[[DataSettings], Description]:
    """Describes data sets as the suite's last run found them."""
    kept_file = _kept_file(suite, store)
    return data_record.recorded(kept_file.parent) if kept_file else partial(describe, hashed=False)


def _kept_file(suite: Path, store: Store) -> Path | None:
    """What `bench run` kept of the suite, or None where it never ran."""
    data, _ = yaml_lines.load(suite)
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or "/" in name:
        return None
    file = store.suite(name) / "suite.yaml"
    return file if file.is_file() else None


def console() -> "Console":
    """Standard output; in a file or a pipe wide enough for most tables."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=110)
