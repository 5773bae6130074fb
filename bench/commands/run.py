"""`bench run`: do what is not done, then write the tables."""

import argparse
import sys
import time

from bench import provenance
from bench.commands.common import console, frames, keep_suite, plan_of, require_device
from bench.errors import UsageError, printable
from bench.launch.launchers import LAUNCHERS, launch
from bench.launch.progress import Progress
from bench.launch.request import Request
from bench.launch.schedule import Schedule
from bench.output import lasting_output
from bench.plan import Plan
from bench.report import print_table, write_curves, write_runs, write_training
from bench.report.folder import is_outdated
from bench.results import earlier, weights
from bench.results.finished import Tables
from bench.store import Store


def main(options: argparse.Namespace) -> int:
    with lasting_output():
        return run(options)


def run(options: argparse.Namespace) -> int:
    """Do what is not done. Returns the exit code."""
    began = time.monotonic()
    plan, store = plan_of(options, fetch=True)
    launcher = options.launcher or plan.suite.file.launcher
    require_device(plan, launcher)
    if options.detach and not LAUNCHERS[launcher].detaches:
        raise UsageError(f"--detach: only Slurm goes on by itself; expected --launcher slurm, found {launcher}")
    if (options.jobs or 1) > 1 and (instead := LAUNCHERS[launcher].not_several):
        raise UsageError(f"--jobs: only for the local launcher, found {launcher}; {instead}")
    store.require_writable(plan.suite.name)
    keep_suite(plan, store, options)
    if options.vouched:
        jobs = earlier.vouch(plan, store, options.vouched)
        print(f"{jobs} jobs of earlier versions are taken for those of these images, as --vouch-for-data says")
    elif note := earlier.note(plan, store):
        print(note)
    if note := weights.note(plan, store):
        print(note)
    tables = Tables(plan, store)
    if not options.vouched and (shown := tables.shown()) is not None:
        print(f"nothing to do: all {len(plan.jobs)} jobs of {plan.suite.name} are done")
        print(printable(shown, colours=True), end="")  # as a file says it that others may write
        last_lines(plan, store, 0, began)
        return 0
    schedule = Schedule(plan.jobs.values(), store, fail_fast=options.fail_fast)
    provenance.keep_diff(store.root / "code")
    interrupted, launched = False, schedule.open
    if not launched:
        print(f"nothing to do: all {len(plan.jobs)} jobs of {plan.suite.name} are done")
    else:
        todo = schedule.counts["pending"]
        print(
            f"{plan.suite.name}: {todo} of {len(plan.jobs)} jobs to do, {schedule.counts['done']} done before",
            flush=True,
        )
        with Progress(plan, schedule) as progress:
            interrupted = launch(launcher, Request(plan, schedule, progress, options.jobs, options.detach))
        progress.close()
        if options.detach:
            return 0
    try:
        if launched and not interrupted:
            tables = Tables(plan, store)  # before results are looked at: what changes from now on the next command sees
            schedule.look_again()
        write_tables(plan, store, schedule, tables, interrupted=interrupted)
    except OSError as error:  # a full disk: what failed is named all the same
        print(printable(f"error: the tables could not be written: {error}"), file=sys.stderr)
        return finish(plan, store, schedule, interrupted, began) or 1
    return finish(plan, store, schedule, interrupted, began)


def write_tables(plan: Plan, store: Store, schedule: Schedule, tables: Tables, *, interrupted: bool) -> None:
    """runs.csv, curves.csv and training.csv of the suite, and the table on the terminal; none of an early Ctrl-C, which
    would be empty. Where all is done, what they were made of is kept, so that a rerun makes none of it again."""
    runs, curves, training = frames(plan, store)
    folder = store.suite(plan.suite.name)
    write_runs(runs, folder / "runs.csv")
    write_curves(curves, folder / "curves.csv")
    write_training(training, folder / "training.csv")
    if interrupted and not (runs["status"] == "done").any():
        print("no run is done yet: there is no table")
        return
    screen = console()
    with screen.capture() as captured:
        print_table(runs, screen)
    print(captured.get(), end="")
    if not interrupted and all(entry.state == "done" for entry in schedule.entries.values()):
        tables.keep(captured.get())


def finish(plan: Plan, store: Store, schedule: Schedule, interrupted: bool, began: float) -> int:
    """The last lines, and each failure with its log. Returns the exit code."""
    last_lines(plan, store, schedule.done_here, began, interrupted=interrupted)
    failed = [e for e in schedule.entries.values() if e.state == "failed"]
    for entry in failed:
        message = printable(f"{entry.job.kind} {entry.job.id}: {entry.message}\n  log: {store.job(entry.job).log}")
        print(f"failed: {message}")
    skipped = sum(1 for e in schedule.entries.values() if e.state == "skipped")
    if skipped:
        print(f"{skipped} jobs skipped, because what they need failed")
    if interrupted:
        print("interrupted; the same command goes on where it stopped")
        return 130
    return 1 if failed else 0


def last_lines(plan: Plan, store: Store, done: int, began: float, *, interrupted: bool = False) -> None:
    """How many jobs were done here, where the results are, and how to report them."""
    folder = store.suite(plan.suite.name)
    print(f"{done} jobs done in {time.monotonic() - began:.0f} s; results in {folder}")
    if is_outdated(folder):
        print("note: the report there is of earlier results, its tables and pictures too; make it anew")
    if not interrupted:
        print(f"report: python -m bench report {plan.suite.path}" + _results(store))


def _results(store: Store) -> str:
    return "" if str(store.root) == "results" else f" --results {store.root}"
