"""The folder of a report: whose the files in it are, and how a report replaces an earlier one and nothing else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import is_abandoned, read_json, sha256, temporary, write_json
from bench.report.plots.canvas import FORMATS
from bench.report.plots.every import PICTURES
from bench.words import few

MANIFEST = "report.json"  # the names of the report's files, and the checksum of the runs.csv that it was made of
PAGE = "report.html"
OUR_PAGE = (
    b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"  # what no other page says
)
LEFT = re.compile(
    r"\.report(\.\d+)?\.[0-9a-f]{8}\.tmp|\.[^/]+\.(csv|md|tex|html|png|pdf|svg|json)\.\d+\.[0-9a-f]{8}\.tmp"
)
# what reports wrote before they had a manifest
TABLES = "top1|top1_init|best_top1|top5|targets|cost|storage|break_even|reach|differences"
EARLIER = re.compile(
    r"(runs|curves|summary|comparisons|cost|break_even|reach|ranking)\.csv|tables\.md|report\.html"
    rf"|table_([A-Za-z0-9._-]+_)?({TABLES})\.(md|tex)|([A-Za-z0-9._-]+_)?({'|'.join(PICTURES)})\.({'|'.join(FORMATS)})"
)


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder inside `out` to write a report's files to, gone in the end. What killed reports left is removed."""
    out.mkdir(parents=True, exist_ok=True)
    folder = temporary(out / "report")
    folder.mkdir()
    for entry in list(os.scandir(out)):
        if LEFT.fullmatch(entry.name) and is_abandoned(Path(entry.path), beside=folder):
            _remove(Path(entry.path))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_outdated(out: Path) -> bool:
    """Whether a report lies in `out` that was made of another runs.csv than lies there now."""
    try:
        of = (read_json(out / MANIFEST) or {}).get("runs")
        return of is not None and of != sha256(out / "runs.csv")
    except (OSError, ValueError):  # none that can be read, or no report's
        return False


def publish(files: list[Path], out: Path, *, ours: bool) -> list[Path]:
    """Move a report's files into `out` and remove those of an earlier one that this has not. Returns their paths,
    that of the manifest last.

    ours: whether all files there that have a report's names are a report's. If not, only those that an earlier one
        wrote, and such as would not change. Raises UsageError naming all others, before anything is moved.
    """
    earlier = _earlier(out, ours=ours)
    manifest: dict[str, Any] = {"files": sorted(path.name for path in files)}
    if files[0].name == "runs.csv":
        manifest["runs"] = sha256(files[0])
    new = [*files, write_json(files[0].with_name(MANIFEST), manifest)]
    foreign = [path.name for path in new if _is_foreign(out / path.name, path, earlier, ours=ours)]
    if foreign:
        raise UsageError(
            f"--out {out}: no report wrote what has these names there: {few(foreign, 8)}; nothing was written; "
            "expected another folder, or --force to replace files"
        )
    written = [path.name for path in files]
    # the disk may be full soon: until all is moved, what is there is the report of no runs.csv
    write_json(out / MANIFEST, {"files": sorted({*earlier, *written} - {MANIFEST}), "runs": ""})
    for path in files:
        os.replace(path, out / path.name)
    for name in earlier - {*written, MANIFEST}:
        with suppress(IsADirectoryError, PermissionError):
            (out / name).unlink(missing_ok=True)
    write_json(out / MANIFEST, manifest)
    return [*(out / name for name in written), out / MANIFEST]


def _earlier(out: Path, *, ours: bool) -> set[str]:
    """Names of what an earlier report wrote: by its manifest, or, where it had none, by its page and their names."""
    try:
        manifest = read_json(out / MANIFEST)
    except (ValueError, OSError):
        manifest = None
    files = (manifest or {}).get("files")
    if isinstance(files, list):
        return {MANIFEST, *_plain(files)}
    with os.scandir(out) as entries:
        names = {entry.name for entry in entries if EARLIER.fullmatch(entry.name)}
    return names | {MANIFEST} if ours or PAGE in names and _is_our_page(out / PAGE) else set()


def _plain(names: Iterable[object]) -> set[str]:
    """Those that are names of files in the folder itself: a manifest says nothing about other places."""
    return {name for name in names if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)}


def _is_our_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return OUR_PAGE in file.read(1 << 16)
    except OSError:
        return False


def _is_foreign(there: Path, new: Path, earlier: set[str], *, ours: bool) -> bool:
    if there.is_dir() and not there.is_symlink():
        return True
    if ours or there.name in earlier or not os.path.lexists(there):
        return False
    return there.is_symlink() or not there.is_file() or sha256(there) != sha256(new)


def _remove(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
