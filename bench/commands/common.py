"""What several commands do: load a suite, find the last run's, write its tables."""

import argparse
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data import DataSettings, Description, describe
from bench.errors import UsageError
from bench.files import mismatch, read_file, write_bytes
from bench.plan import Plan, each_kind, make_plan
from bench.results import data_record
from bench.store import Store
from bench.suite import load, overrides, yaml_lines
from bench.suite.paths import located
from bench.suite.problems import Source

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console

KEPT = "# kept by bench run: "


def plan_of(options: argparse.Namespace, *, fetch: bool = False) -> tuple[Plan, Store]:
    """The plan of the suite as given on the command line. fetch: download first what is not there and says so."""
    look_at = partial(describe, fetch=fetch)
    plan = make_plan(load(options.suite, options.settings, look_at=look_at), options.only)
    for warning in plan.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return plan, Store(options.results)


def require_device(plan: Plan, launcher: str) -> None:
    """Raise SuiteError where the suite wants a GPU and jobs of this launcher, which are done here, would find none."""
    if plan.suite.file.device != "cuda" or launcher == "slurm":
        return
    from bench.launch.devices import gpus  # late: only this case needs it

    if not gpus():
        missing = "cuda, but this machine has no NVIDIA GPU, or CUDA_VISIBLE_DEVICES hides it"
        raise plan.suite.source.error(("device",), f"{missing}; expected auto or cpu (--set device=cpu)")


def prepared_folder(options: argparse.Namespace) -> str | None:
    """The folder of prepared data sets that the suite or `--set` names."""
    data, lines = yaml_lines.load(options.suite)
    if not isinstance(data, dict):
        return None
    source = Source(options.suite, lines, overrides.apply(data, options.settings), data)
    folder = data.get("prepared")
    return located(folder, source, ("prepared",)) if isinstance(folder, str) else None


def keep_suite(plan: Plan, store: Store, options: argparse.Namespace) -> None:
    """Write the resolved suite beside its results, and what was found of its data, so that `status` and `report`
    describe exactly this run, and workers find the same images."""
    warn_of_other_suite(plan, store, options.suite, "they are replaced now")
    data_record.write(plan.suite, store)
    source = os.path.abspath(options.suite)  # it is read again from other folders
    kept = {"source": source, "sha256": _hash(options.suite), "set": options.settings, "only": options.only}
    text = f"{KEPT}{json.dumps(kept)}\n{yaml_lines.dump(plan.suite.resolved)}"
    write_bytes(store.suite(plan.suite.name) / "suite.yaml", text.encode())


def warn_of_other_suite(plan: Plan, store: Store, suite: Path, then: str) -> None:
    """Warn where another suite of that name has its tables in the results folder. then: what becomes of them."""
    folder = store.suite(plan.suite.name)
    if other := _other_suite(suite, folder / "suite.yaml"):
        what = f"{folder} has the tables of another suite of that name, {other}; {then}. Give one of them another name"
        print(f"warning: {suite}: name: {what}", file=sys.stderr)


def last_plan(suite: Path, options: argparse.Namespace) -> tuple[Plan, Store, str | None]:
    """The plan of the suite's last run, or of the suite as given where `--set` says so or nothing ran.

    The third is a note where the suite file has changed since; it need not even be valid now.
    """
    store = Store(options.results)
    kept_file = None if options.settings else _kept_file(suite, store)
    if kept_file is None:
        given = load(suite, options.settings, look_at=last_data(suite, store))
        return make_plan(given, options.only), store, None
    kept = read_kept(kept_file)
    other = _other_suite(suite, kept_file)
    changed = suite.resolve() != kept_file.resolve() and kept["sha256"] != _hash(suite) and not other
    note = f"note: {suite} has changed since its last run; this describes the last run ({kept_file})"
    itself = suite.resolve() == kept_file.resolve()
    beside, imports = (Path(kept["source"]), None) if itself else (suite, methods_from_outside(suite))
    last = load(kept_file, folder=beside.parent, look_at=data_record.recorded(kept_file.parent), imports=imports)
    notes = [note] if changed else []
    own = [entry.name for entry in data_record.entries(last) if entry.settings.source != "builtin"]
    if own and not (kept_file.parent / data_record.FILE).exists():
        names = ", ".join(dict.fromkeys(own))
        notes.append(f"note: made by an earlier version, whose identities did not contain the images of {names}")
    return make_plan(last, options.only or kept["only"]), store, "\n".join(notes) or None


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
    if not (read_file(plan.suite.path) or b"").startswith(KEPT.encode()):
        return ""  # the suite as given: it never ran, or `--set` says what is meant
    run = read_kept(plan.suite.path)
    words = [word for setting in run["set"] for word in ("--set", setting)]
    words += [word for label in ([] if options.only else run["only"]) for word in ("--only", label)]
    remarks = [f"this describes its last run, which had {shlex.join(words)}"] if words else []
    if other := _other_suite(suite, plan.suite.path):
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


def _other_suite(suite: Path, kept_file: Path) -> str:
    """The suite file whose last run a kept file describes, where that is another one, no copy, and still there."""
    if not kept_file.is_file() or suite.resolve() == kept_file.resolve():
        return ""
    try:
        kept = read_kept(kept_file)
    except UsageError:
        return ""
    source = Path(kept["source"])
    same = kept["sha256"] == _hash(suite) or source.resolve() == suite.resolve()
    return str(source) if source.is_file() and not same else ""


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


def read_kept(file: Path) -> dict[str, Any]:
    """What its first line says of the run: the suite file, its hash, `--set` and `--only`."""
    try:
        first = (read_file(file) or b"").decode().partition("\n")[0]
        kept = json.loads(first.removeprefix(KEPT))
        if mismatch(kept, {"source": str, "sha256": str, "set": [str], "only": [str]}):
            raise ValueError("not what bench run writes")
        return kept
    except (ValueError, RecursionError):
        raise UsageError(
            f"{file}:1: expected the line that bench run writes; run the suite again to renew it"
        ) from None


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def console() -> "Console":
    """Standard output; in a file or a pipe wide enough for most tables."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=110)


def frames(plan: Plan, store: Store) -> tuple["DataFrame", "DataFrame", "DataFrame"]:
    """runs, curves and training of a plan, as the report takes them."""
    import pandas

    from bench.report.columns import CURVES, RUNS, TRAINING
    from bench.report.frames import conform_curves, conform_runs, conform_training
    from bench.results.rows import curves, rows
    from bench.results.training import training

    points, epochs = curves(plan, store), training(plan, store)
    return (
        conform_runs(pandas.DataFrame(rows(plan, store)).reindex(columns=[c.name for c in RUNS])),
        conform_curves(pandas.DataFrame(points, columns=[c.name for c in CURVES])),
        conform_training(pandas.DataFrame(epochs, columns=[c.name for c in TRAINING])),
    )
