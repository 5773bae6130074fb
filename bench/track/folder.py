"""The folder that a tracker writes to: its own, marked as such, and one process's at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import files
from bench.errors import UsageError
from bench.store.lock import Lock, is_lock
from bench.words import few

MARK = "track.json"  # says which tracker a folder is of
SHAPE = {"tracker": str}


def check(out: Path, tracker: str, results: Path, *, force: bool) -> None:
    """Raise UsageError where a tracker may not write to `out`: among jobs, not writable, no folder, another tracker's,
    or a folder with other files. force: these are no hindrance; they stay."""
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(results / "jobs")):
        raise UsageError(f"{out} is among the jobs of {results}; expected a folder elsewhere")
    if trouble := files.unwritable(out if out.is_dir() else out.absolute().parent):
        raise UsageError(f"{out} cannot be written: {trouble}; expected --out with a folder elsewhere")
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise UsageError(f"{out} is no folder; expected a new one, or one of bench track --to {tracker}")
    try:
        mark = files.read_json(out / MARK, SHAPE)
    except ValueError as error:
        raise UsageError(f"{error}; expected what bench track writes: choose another folder, or remove it") from None
    if mark is not None and mark["tracker"] != tracker:
        raise UsageError(f"{out} is of bench track --to {mark['tracker']}; expected another folder for {tracker}")
    others = sorted(name for name in os.listdir(out) if not is_lock(name) and not name.startswith(f".{MARK}."))
    if mark is None and others and not force:
        raise UsageError(
            f"{out} holds what bench track did not write: {few(others, 3)}; expected a new folder, "
            "or --force to write beside that"
        )


@contextmanager
def held(out: Path, tracker: str) -> Iterator[Path]:
    """Make the folder this tracker's and keep other processes out of it. Raises UsageError where one is at it."""
    out.mkdir(parents=True, exist_ok=True)
    lock = Lock(out)
    if not lock.acquire():
        holder = lock.holder() or {}
        where = f"process {holder.get('pid')} on {holder.get('host')}"
        raise UsageError(f"{out}: another bench track writes there ({where}); expected that it ends first")
    try:
        if not (out / MARK).exists():
            files.write_json(out / MARK, {"tracker": tracker})
        yield out
    finally:
        lock.release()
