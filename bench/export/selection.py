"""Which job is meant: by its identity, by what is unambiguous of it, or by a row of the tables."""

import csv
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UsageError
from bench.jobs.model import KINDS
from bench.store import Store
from bench.words import few

COLUMNS = ("suite", "method", "target", "dataset", "seed")  # that a run can be chosen by
MANY = 5


@dataclass(frozen=True)
class Selected:
    """A job. rows: of the tables that it is in, which are those of one run's suites; empty for other kinds."""

    kind: str
    id: str
    rows: list[dict[str, str]] = field(default_factory=list)


def select(store: Store, text: str | None, wishes: Mapping[str, str]) -> Selected:
    """The one job that is meant.

    text: an identity of any kind of job, a readable id of a run (`LABEL-TARGET-DATA-sSEED`), or what either begins
        with; a run before what else is called so; None where `wishes` say which run.
    wishes: what columns of a table say (`COLUMNS`), of the tables in the results folder.
    Raises UsageError where there is none, or where there are several.
    """
    rows = [row for row in tables(store.root) if all(row[column] == wish for column, wish in wishes.items())]
    by_run: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_run.setdefault(row["run"], []).append(row)
    names = {id: {readable(row) for row in rows} for id, rows in by_run.items()}
    if text is None:
        matches = [("run", id) for id in by_run]
    else:
        jobs = [(kind, id) for kind in KINDS for id in sorted(store.ids(kind)) if not wishes or id in by_run]
        jobs = [(kind, id) for kind, id in jobs if ".damaged-" not in id]
        whole = [(kind, id) for kind, id in jobs if text == id or text in names.get(id, ())]
        begins = [(kind, id) for kind, id in jobs if any(name.startswith(text) for name in (id, *names.get(id, ())))]
        matches = whole or begins
        runs = [match for match in matches if match[0] == "run"]
        matches = runs if len(runs) == 1 else matches  # its start and learngene begin alike
    asked = " ".join([repr(text)] * (text is not None) + [f"--{name} {wish}" for name, wish in wishes.items()])
    if not matches:
        raise UsageError(f"no job in {store.root} is {asked}; {_expected(store, rows if wishes else None)}")
    if len(matches) > 1:
        several = few([f"{kind} {id}" for kind, id in matches], MANY)
        narrow = ", ".join(f"--{column}" for column in COLUMNS)
        raise UsageError(f"{asked} is not one job but {len(matches)}: {several}; expected one, see {narrow}")
    kind, id = matches[0]
    return Selected(kind, id, by_run.get(id, []))


def _expected(store: Store, rows: list[dict[str, str]] | None) -> str:
    if not store.root.is_dir():
        return f"there is no results folder {store.root}; see --results"
    if rows is not None and not tables(store.root):
        return f"there is no table in {store.root}; bench report writes it"
    return "expected an identity, a readable id such as wave-L6-d64-digits-s0, or what one begins with; see bench logs"


def readable(row: Mapping[str, str]) -> str:
    """The readable id of a run."""
    return f"{row['method']}-{row['target']}-{row['dataset']}-s{row['seed']}"


def tables(root: Path) -> list[dict[str, str]]:
    """The rows of all runs.csv of a results folder; what is no such table is left out."""
    rows: list[dict[str, str]] = []
    names = sorted(os.listdir(root)) if root.is_dir() else []
    for table in (root / name / "runs.csv" for name in names):
        if not table.is_file():
            continue
        with suppress(OSError, KeyError, csv.Error), table.open(newline="", errors="replace") as file:
            rows += [row for row in csv.DictReader(file) if all(row.get(c) is not None for c in ("run", *COLUMNS))]
    return rows
