"""`bench verify`: every checksum, identity and column of results."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UsageError, printable
from bench.output import at_intervals
from bench.report import ReportError, read_curves, read_runs, read_training
from bench.report.folder import is_outdated
from bench.results.verify import done_jobs, problem
from bench.store import Store

FROM_RUN = ("top1", "top5", "loss", "top1_init", "best_top1", "epochs", "params", "git_sha", "device_name", "engine")
IDENTITY = re.compile(r"(.+)-[0-9a-f]{12}")


def main(options: argparse.Namespace) -> int:
    folder, store = options.folder, Store(options.folder)
    tables = [folder] if folder.is_file() else sorted({*folder.glob("runs.csv"), *folder.glob("*/runs.csv")})
    has_jobs = (folder / "jobs").is_dir()
    if not tables and not has_jobs:
        raise UsageError(f"{folder}: expected results: a folder with jobs/ or with a runs.csv, or such a file")
    jobs, troubles = 0, 0
    progress = at_intervals(lambda done: f"{folder}: {done} jobs checked")
    for jobs, (kind, id, place) in enumerate(done_jobs(store), start=1):
        if trouble := problem(kind, id, place):
            troubles += _say(trouble)
        progress(jobs)
    for table in tables:
        for trouble in problems_of(table, store if has_jobs else None):
            troubles += _say(trouble)
        if is_outdated(table.parent):
            print(printable(f"note: {table.parent}: the report there is of earlier results; make it anew"))
    wrong = f"{troubles} problem{'' if troubles == 1 else 's'}" if troubles else "nothing wrong"
    print(f"{folder}: {jobs} done jobs and {len(tables)} tables checked: {wrong}")
    return 1 if troubles else 0


def _say(trouble: str) -> int:
    print(printable(trouble))
    return 1


def problems_of(table: Path, store: Store | None) -> Iterator[str]:
    """Yield what is wrong with a table of runs and those beside it: columns, identities, what the jobs themselves say.

    store: where these are; None where there are tables alone.
    """
    try:
        runs = read_runs(table)
        curves = read_curves(table.with_name("curves.csv"))
        read_training(table.with_name("training.csv"))
    except ReportError as error:
        yield str(error)
        return
    ends = curves.dropna(subset="top1").groupby("run")["top1"].last()
    for row in runs[runs["status"] == "done"].to_dict("records"):
        id = row["run"].partition("@")[0]
        name = IDENTITY.fullmatch(id)
        if name is None or not name[1].endswith(f"-{row['dataset']}-s{row['seed']}"):
            yield f"{table}: run {id}: not an identity of a run on {row['dataset']} with seed {row['seed']}"
        elif row["run"] in ends and ends[row["run"]] != row["top1"]:
            yield f"{table}: run {id}: top1 is {row['top1']}, its curve ends at {ends[row['run']]}"
        elif store is not None and not row["source"]:
            yield from (f"{table}: run {id}: {trouble}" for trouble in _beside_job(row, store, id))


def _beside_job(row: dict[str, Any], store: Store, id: str) -> Iterator[str]:
    try:
        result = store.job_dir("run", id).result()
    except (ValueError, OSError):
        return  # said of the job itself
    if result is None:
        yield "there is no such job"
        return
    for column in FROM_RUN:
        if result.get(column) is not None and result[column] != row[column]:
            yield f"{column} is {row[column]}, the job says {result[column]}"
