"""What `bench run` keeps of a suite beside its results: the suite as it was resolved, and where it came from."""

import json
import os
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import read_file, sha256, write_bytes
from bench.plan import Plan
from bench.results import data_record
from bench.shapes import mismatch
from bench.store import Store
from bench.suite import yaml_lines

KEPT = "# kept by bench run: "


def keep(plan: Plan, store: Store, suite: Path, settings: list[str], only: list[str]) -> str:
    """Write the resolved suite beside its results, and what was found of its data, so that `status` and `report`
    describe exactly this run, and workers find the same images. Returns a warning where another suite's lie there."""
    warning = other_tables(plan, store, suite, "they are replaced now")
    data_record.write(plan.suite, store)
    source = os.path.abspath(suite)  # it is read again from other folders
    header = {"source": source, "sha256": sha256(suite), "set": settings, "only": only}
    text = f"{KEPT}{json.dumps(header)}\n{yaml_lines.dump(plan.suite.resolved)}"
    write_bytes(store.suite(plan.suite.name) / "suite.yaml", text.encode())
    return warning


def other_tables(plan: Plan, store: Store, suite: Path, then: str) -> str:
    """Say where another suite of that name has its tables in the results folder. then: what becomes of them."""
    folder = store.suite(plan.suite.name)
    other = other_suite(suite, folder / "suite.yaml")
    there = f"{folder} has the tables of another suite of that name, {other}; {then}"
    return f"{suite}: name: {there}. Give one of them another name" if other else ""


def other_suite(suite: Path, kept_file: Path) -> str:
    """The suite file whose last run a kept file describes, where that is another one, no copy, and still there."""
    if not kept_file.is_file() or suite.resolve() == kept_file.resolve():
        return ""
    try:
        header = read(kept_file)
    except UsageError:
        return ""
    source = Path(header["source"])
    same = header["sha256"] == sha256(suite) or source.resolve() == suite.resolve()
    return str(source) if source.is_file() and not same else ""


def read(file: Path) -> dict[str, Any]:
    """What its first line says of the run: the suite file, its hash, `--set` and `--only`."""
    try:
        first = (read_file(file) or b"").decode().partition("\n")[0]
        header = json.loads(first.removeprefix(KEPT))
        if mismatch(header, {"source": str, "sha256": str, "set": [str], "only": [str]}):
            raise ValueError("not what bench run writes")
        return header
    except (ValueError, RecursionError):
        raise UsageError(
            f"{file}:1: expected the line that bench run writes; run the suite again to renew it"
        ) from None
