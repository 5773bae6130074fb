"""`bench logs`: what jobs wrote: their events, their output, and their failure."""

import argparse
import csv
import json
import time
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bench.errors import UsageError, printable
from bench.store import JobDir, log

TAIL = 4000  # characters of the output that are shown
POLL = 1.0  # seconds between looks with --follow


def main(options: argparse.Namespace) -> int:
    folders = find(options.results, options.run)
    if not folders:
        message = f"no job in {options.results} matches {options.run!r}"
        raise UsageError(f"{message}; expected a readable id, an identity, or a pattern of either, such as 'wave-*-s0'")
    if options.follow and len(folders) > 1:
        raise UsageError(f"--follow: {len(folders)} jobs match {options.run!r}; expected one")
    shown = [show(folder) for folder in folders]
    if options.follow:
        follow(folders[0], shown[0])
    return 0


def find(results: Path, pattern: str) -> list[JobDir]:
    """Folders of the jobs whose identity, identity without its hash, or readable id in a suite matches."""
    named = readable(results)
    wanted = []
    for path in sorted((results / "jobs").glob("*/*")):
        names = (path.name, path.name.rpartition("-")[0], *named.get(path.name, ()))
        if path.is_dir() and ".damaged-" not in path.name and any(fnmatchcase(name, pattern) for name in names):
            wanted.append(JobDir(path))
    return wanted


def readable(results: Path) -> dict[str, list[str]]:
    """Readable ids, which have the suite's label in front, of the runs in the tables."""
    names: dict[str, list[str]] = {}
    for table in filter(Path.is_file, results.glob("*/runs.csv")):
        with suppress(OSError, KeyError, csv.Error), table.open(newline="", errors="replace") as file:
            for row in csv.DictReader(file):
                name = f"{row['method']}-{row['target']}-{row['dataset']}-s{row['seed']}"
                names.setdefault(row["run"], []).append(name)
    return names


def show(folder: JobDir) -> int:
    """Print what a job wrote so far; returns the number of its events."""
    print(f"{folder.path.parent.name} {folder.path.name}: {folder.log}")
    events = log.read(folder.log)
    for event in events:
        print(printable(line(event)))
    text = folder.output.read_text(errors="replace") if folder.output.is_file() else ""
    if text.strip():
        print(printable(f"output ({folder.output}):\n{text[-TAIL:].rstrip()}"))
    failure = folder.failure()
    if failure is not None:
        print(printable(f"failed: {failure['error']}"))
        print(printable(failure.get("traceback") or ""), end="")
    return len(events)


def line(event: dict[str, Any]) -> str:
    """`2026-01-31 12:00:00 checkpoint bytes=1234`; a traceback is left to the end."""
    seconds = event.get("time", 0)
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds if 0 <= seconds < 1 << 36 else 0))
    shown = {k: v for k, v in event.items() if k not in ("event", "time", "traceback")}
    return " ".join(
        [at, str(event.get("event")), *(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in shown.items())]
    )


def follow(folder: JobDir, seen: int) -> None:
    """Print events as they come, after the first `seen`, until the job is over. Ctrl-C ends it."""
    while True:
        events = log.read(folder.log)
        for event in events[seen:]:
            print(printable(line(event)), flush=True)
        seen = len(events)
        if events and events[-1].get("event") in ("done", "failed"):
            return
        time.sleep(POLL)
