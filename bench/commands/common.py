"""What several commands do: load a suite, find the last run's, write its tables."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan import Plan, make_plan
from bench.store import Store
from bench.suite import load

if TYPE_CHECKING:
    from pandas import DataFrame

KEPT = "# kept by bench run: "


def plan_of(options: argparse.Namespace) -> tuple[Plan, Store]:
    """The plan of the suite as given on the command line."""
    return make_plan(load(options.suite, options.settings), options.only), Store(options.results)


def keep_suite(plan: Plan, store: Store, options: argparse.Namespace) -> None:
    """Write the resolved suite beside its results, so that `status` and `report` describe exactly this run."""
    from bench.results import dump_suite
    from bench.store.files import write_bytes

    kept = {"source": str(options.suite), "sha256": _hash(options.suite), "set": options.settings, "only": options.only}
    text = f"{KEPT}{json.dumps(kept)}\n{dump_suite(plan)}"
    write_bytes(store.suite(plan.suite.name) / "suite.yaml", text.encode())


def last_plan(suite: Path, options: argparse.Namespace) -> tuple[Plan, Store, str | None]:
    """The plan of the suite's last run, or of the suite as given where `--set` says so or nothing ran.

    The third is a note where the suite file has changed since.
    """
    current, store = load(suite, options.settings), Store(options.results)
    kept_file = store.suite(current.name) / "suite.yaml"
    if options.settings or not kept_file.exists():
        return make_plan(current, options.only), store, None
    first = kept_file.read_text().partition("\n")[0]
    kept = json.loads(first.removeprefix(KEPT)) if first.startswith(KEPT) else {"only": [], "sha256": None}
    changed = suite.resolve() != kept_file.resolve() and kept["sha256"] != _hash(suite)
    note = (
        f"note: {suite} has changed since its last run; this describes the last run ({kept_file})" if changed else None
    )
    return make_plan(load(kept_file), options.only or kept["only"]), store, note


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frames(plan: Plan, store: Store) -> tuple["DataFrame", "DataFrame"]:
    """runs and curves of a plan, as the report takes them."""
    import pandas

    from bench.report.columns import CURVES, RUNS
    from bench.report.frames import conform_curves, conform_runs
    from bench.results import curves, rows

    points = curves(plan, store)
    return (
        conform_runs(pandas.DataFrame(rows(plan, store)).reindex(columns=[c.name for c in RUNS])),
        conform_curves(pandas.DataFrame(points, columns=[c.name for c in CURVES])),
    )
