"""Suites from Python: what a plan has to do, doing it, and the rows that come of it. See docs/library.md."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data import describe
from bench.errors import BenchError
from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.plan import Plan, make_plan
from bench.report.columns import CURVES, RUNS, TRAINING
from bench.report.conform import conform_curves, conform_runs, conform_training
from bench.results import kept
from bench.results.rows import curves, rows
from bench.results.states import JobStates
from bench.results.training import training
from bench.store import Store
from bench.suite import load

if TYPE_CHECKING:
    from pandas import DataFrame

Settings = Mapping[str, Any]


def plan(
    suite: str | Path, *, settings: Settings | None = None, only: Sequence[str] = (), results: str | Path = "results"
) -> DataFrame:
    """What a suite would do, a row per job: kind, job, done, flops (of its training, estimated). Starts nothing.

    settings: changes by dotted keys, as `--set`, such as {"train.epochs": 1}. only: shell patterns of runs' names.
    Raises SuiteError or UsageError for what is wrong with them.
    """
    import pandas  # late: commands import this module, and most of them need no frame

    plan, store = _planned(suite, settings, only, results)
    states = JobStates(plan, store)
    jobs = [(job.kind, id, bool(states.result(id)), plan.description(id).flops) for id, job in plan.jobs.items()]
    return pandas.DataFrame(jobs, columns=["kind", "job", "done", "flops"])


def run(
    suite: str | Path,
    *,
    settings: Settings | None = None,
    only: Sequence[str] = (),
    results: str | Path = "results",
    launcher: str | None = None,
    jobs: int | None = None,
) -> DataFrame:
    """Do what is not done, and return the rows of runs.csv, as `frame` does.

    launcher: local, inline or slurm; default: the suite's. jobs: how many at once with local; default: all cores.
    Raises BenchError with the message of each job that failed, and KeyboardInterrupt where it was interrupted: what is
    done stays done, and the same call goes on.
    """
    from bench.launch.launchers import launch  # late: as above
    from bench.launch.request import Request  # late: as above

    plan, store = _planned(suite, settings, only, results, fetch=True)
    store.require_writable(plan.suite.name)
    if warning := kept.keep(plan, store, Path(suite), _as_text(settings), list(only)):
        warnings.warn(warning, stacklevel=2)
    schedule = Schedule(plan.jobs.values(), store)
    interrupted = False
    if schedule.open:
        with Progress(plan, schedule) as progress:
            interrupted = launch(launcher or plan.suite.file.launcher, Request(plan, schedule, progress, jobs))
        progress.close()
    if interrupted:
        raise KeyboardInterrupt
    tables = frames(plan, store)
    write_tables(tables, store.suite(plan.suite.name))
    failed = [entry for entry in schedule.entries.values() if entry.state == "failed"]
    if failed:
        lines = [f"{e.job.kind} {e.job.id}: {e.message} (log: {store.job(e.job).log})" for e in failed]
        raise BenchError("\n".join(["jobs failed:", *lines]))
    return tables[0]


def write_tables(tables: tuple[DataFrame, DataFrame, DataFrame], folder: Path) -> None:
    """Write runs.csv, curves.csv and training.csv."""
    from bench.report import write_curves, write_runs, write_training  # late: as above

    writers = {"runs.csv": write_runs, "curves.csv": write_curves, "training.csv": write_training}
    for (name, write), table in zip(writers.items(), tables, strict=True):
        write(table, folder / name)


def frame(
    source: str | Path, *, settings: Settings | None = None, only: Sequence[str] = (), results: str | Path = "results"
) -> DataFrame:
    """The rows of runs.csv with their types, a row per run: of a suite, as far as it is done, or of a file runs.csv."""
    from bench.report import read_runs  # late: as above

    if Path(source).suffix == ".csv":
        return read_runs(source)
    return frames(*_planned(source, settings, only, results))[0]


def _planned(
    suite: str | Path, settings: Settings | None, only: Sequence[str], results: str | Path, *, fetch: bool = False
) -> tuple[Plan, Store]:
    plan = make_plan(load(Path(suite), _as_text(settings), look_at=partial(describe, fetch=fetch)), list(only))
    for warning in plan.warnings:
        warnings.warn(warning, stacklevel=3)
    return plan, Store(Path(results))


def _as_text(settings: Settings | None) -> list[str]:
    """As the command line takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]


def frames(plan: Plan, store: Store) -> tuple[DataFrame, DataFrame, DataFrame]:
    """runs, curves and training of a plan, as the report takes them."""
    import pandas  # late: as above

    points, epochs = curves(plan, store), training(plan, store)
    return (
        conform_runs(pandas.DataFrame(rows(plan, store)).reindex(columns=[c.name for c in RUNS])),
        conform_curves(pandas.DataFrame(points, columns=[c.name for c in CURVES])),
        conform_training(pandas.DataFrame(epochs, columns=[c.name for c in TRAINING])),
    )
