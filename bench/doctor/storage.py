"""Where results would go: whether it can be written, how much is free, and whether the locks of jobs work there."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.doctor.finding import Finding
from bench.store.lock import Lock

LITTLE = 5e9  # bytes


def storage(results: Path) -> Iterator[Finding]:
    """The nearest folder that exists stands for one that would be made in it; nothing stays behind there."""
    folder = next(path for path in (results.absolute(), *results.absolute().parents) if path.is_dir())
    free = psutil.disk_usage(str(folder)).free
    text = f"{results}: {free / 1e9:.3g} GB free on {file_system(folder)}"
    yield Finding("results", text, "note" if free < LITTLE else "ok")
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as trial_folder:
            locks = exclusive(Path(trial_folder))
            linked = links(Path(trial_folder))
    except OSError as error:
        yield Finding("results", f"{folder} cannot be written: {error.strerror}", "missing", "choose another --results")
        return
    if not locks:
        how = "choose --results on another file system"
        yield Finding("locks", "two processes could hold the lock of one job here", "missing", how)
    elif not linked:
        yield Finding("locks", "work, but without hard links: not between machines at the same instant", "note")
    else:
        yield Finding("locks", "work, also between machines that share this folder")


def exclusive(folder: Path) -> bool:
    first, second = Lock(folder), Lock(folder)
    try:
        return first.acquire() and first.held() and not second.acquire()
    finally:
        second.release()
        first.release()


def links(folder: Path) -> bool:
    (folder / "one").write_bytes(b"")
    try:
        os.link(folder / "one", folder / "two")
    except OSError:
        return False
    return True


def file_system(folder: Path) -> str:
    """`ext4 (/)`: its type and where it is mounted."""
    real = folder.resolve()
    mounts = [m for m in psutil.disk_partitions(all=True) if real.is_relative_to(m.mountpoint)]
    best = max(mounts, key=lambda m: len(m.mountpoint), default=None)
    return f"{best.fstype} ({best.mountpoint})" if best else "an unknown file system"
