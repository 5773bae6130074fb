"""What the tables of a suite were made of, so that where all is done and nothing has changed nothing is made again.

`tables.json` beside the tables keeps a stamp: a hash of names, sizes and times of all files of the suite's jobs, of
the suite itself, and of the code. With it are the tables' own sizes and checksums, and what was shown on the terminal.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import bench
import methods
from bench import files
from bench.plan import Plan
from bench.provenance import installed
from bench.store import Store
from bench.store.job_dir import RESULT

FILE = "tables.json"
TABLES = ("runs.csv", "curves.csv", "training.csv")
TABLE = {"bytes": int, "mtime_ns": int, "ctime_ns": int, "sha256": str}
SHAPE = {"stamp": str, "tables": {"*": TABLE}, "screen": str, "shown": str}
DRAWN_BY = ("numpy", "pandas", "scipy", "rich")
# what decides how a terminal is written to, beside its width
TERMINAL = ("TERM", "COLORTERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")


class Tables:
    """The tables of a suite in `folder`, as the last command left them, and the stamp of what is there now."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.folder = store.suite(plan.suite.name)
        self.stamp = stamp(plan, store)

    def shown(self) -> str | None:
        """Return what was shown when the tables were made, where they would be the same again; else None."""
        if self.stamp is None:
            return None
        try:
            record = files.read_json(self.folder / FILE, SHAPE)
        except (ValueError, OSError):
            return None
        if record is None or (record["stamp"], record["screen"]) != (self.stamp, screen()):
            return None
        try:
            changed = any(self._changed(name, record["tables"].get(name)) for name in TABLES)
        except OSError:  # one that may not be read: whoever makes it again says so
            return None
        return None if changed else record["shown"]

    def _changed(self, name: str, expected: dict[str, Any] | None) -> bool:
        path = self.folder / name
        set_back = expected is not None and expected["ctime_ns"] != _ctime(path)  # its mtime may say that it is not
        return bool(files.changed(path, expected, thorough=set_back))

    def keep(self, shown: str) -> None:
        """Write what they were made of, where all of it was done."""
        if self.stamp is not None:
            paths = {name: self.folder / name for name in TABLES}
            tables = {name: files.described(path) | {"ctime_ns": _ctime(path)} for name, path in paths.items()}
            record = {"stamp": self.stamp, "tables": tables, "screen": screen(), "shown": shown}
            files.write_json(self.folder / FILE, record)


def stamp(plan: Plan, store: Store) -> str | None:
    """Return a hash of all that the tables are made of, or None where a job of the plan has no result."""
    text = hashlib.sha256(_code().encode())
    for name in ("suite.yaml", "data.json"):
        text.update(files.read_file(store.suite(plan.suite.name) / name) or b"")
    for cell in plan.cells:
        text.update(f"{cell.name} {cell.run} {cell.learngene} {cell.skipped}\n".encode())
    for job in plan.jobs.values():
        entries = _entries(store.job(job).path)
        if not any(name == RESULT for name, *_ in entries):
            return None
        text.update(f"{job.id} {entries}\n".encode())
    return text.hexdigest()


def _entries(folder: Path | str) -> list[tuple[str, int, int, int]]:
    """Name, size and times of each file of a folder: ctime tells also of a change whose mtime was set back."""
    try:
        with os.scandir(folder) as entries:
            stats = [(entry.name, entry.stat()) for entry in entries]
    except (OSError, ValueError):
        return []
    return sorted((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats)


def _ctime(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:  # gone, or not to be seen: `files.changed` says which
        return 0


def _code() -> str:
    """The version of the code: names, sizes and times of its modules, versions of what tables are made with."""
    modules = []
    for package in (bench, methods):
        for folder, below, _ in os.walk(os.path.dirname(package.__file__ or "")):
            below[:] = sorted(name for name in below if name != "__pycache__")
            modules.append((folder, [entry[:3] for entry in _entries(folder) if entry[0].endswith((".py", ".csv"))]))
    return f"{modules} {sys.version} {[installed(package) for package in DRAWN_BY]}"


def screen() -> str:
    """Return what the shown table depends on of where it is shown."""
    terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else 0
    environment = [os.environ.get(name) for name in TERMINAL]
    return f"{terminal} {width} {getattr(sys.stdout, 'encoding', None)} {environment}"
