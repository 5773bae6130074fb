"""A folder of results for others: it is there whole, or not at all."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import files
from bench.errors import BenchError, UsageError

RECORD = "export.json"  # what an export consists of, with a checksum; written last
RECORDED = {"files": [str], "*": object}
AT_WORKING_DIRECTORY, EXCHANGE = -100, 2  # of fcntl.h and linux/fs.h


def check(out: Path, results: Path, *, force: bool) -> None:
    """Raise UsageError where `out` cannot become an export: something is there, jobs are kept there, or nothing can be
    written there.

    force: what is there may be replaced, if it is an export and nothing but that.
    """
    place = Path(os.path.realpath(out.absolute().parent)) / out.name
    if place.is_relative_to(os.path.realpath(results / "jobs")):
        raise UsageError(f"{out} is among the jobs of {results}; expected a folder elsewhere")
    if out.name in ("", ".."):
        raise UsageError(f"{out}: expected the name of a new folder")
    if trouble := files.unwritable(out.absolute().parent):
        raise UsageError(f"{out} cannot be written: {trouble}; expected a folder elsewhere")
    if not os.path.lexists(out):
        return
    if not force:
        raise UsageError(f"{out} is there already; expected a new folder, or --force to replace an earlier export")
    if others := _others(out):
        raise UsageError(
            f"--force: {out} {others}; only an earlier export is replaced: remove it yourself, or rename it"
        )


def _others(out: Path) -> str:
    """What an existing path holds that no export wrote; empty where it is an export, or an empty folder."""
    if out.is_symlink() or not out.is_dir():
        return "is no folder"
    names = {entry.name for entry in out.iterdir()}
    if not names:
        return ""
    try:
        record = files.read_json(out / RECORD, RECORDED)
    except (ValueError, OSError):
        record = None
    if record is None:
        return f"is no export: it has no {RECORD} that is whole"
    more = sorted(names - {RECORD, *record["files"]})
    return f"holds what no export wrote: {', '.join(more[:3])}" if more else ""


@contextmanager
def written(out: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """Give a folder to fill, beside `out`, which becomes `out` in one step when all is in it.

    facts: what the record of its files says besides. Whatever is raised leaves nothing. A process that is killed leaves
    `out` as it was or whole, and may leave a hidden folder `.NAME.*.tmp` beside it, which nobody reads. Raises
    BenchError where `out` came to be meanwhile.
    """
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    beside = files.temporary(out)
    beside.mkdir()
    try:
        yield beside
        names = sorted(path.name for path in beside.iterdir())
        for name in names:
            files.follow_umask(beside / name)
            _sync(beside / name)
        files.write_json(beside / RECORD, facts | {"files": names})
        _sync(beside)
        _put(beside, out)
        _sync(out.absolute().parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, out: Path) -> None:
    """Make `beside` be `out`; what was there, which `check` has allowed, is then at `beside`."""
    if not os.path.lexists(out):
        os.rename(beside, out)
    elif others := _others(out):
        raise BenchError(f"{out} {others}: it came to be meanwhile; nothing was written")
    elif not _exchange(beside, out):
        old = files.unused(out, "replaced")
        os.rename(out, old)
        os.rename(beside, out)
        shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in one step, by renameat2(2); returns whether the system and the file system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    return rename(AT_WORKING_DIRECTORY, os.fsencode(one), AT_WORKING_DIRECTORY, os.fsencode(other), EXCHANGE) == 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
