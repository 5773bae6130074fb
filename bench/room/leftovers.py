"""What can be removed of a results folder: at the cost of no training, or, where it is asked for, files of done jobs
that no kept suite needs. No result and no log goes in any case."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.jobs.kinds import DESCRIPTIONS
from bench.jobs.model import KINDS
from bench.launch.slurm.submission.record import Submission
from bench.room.needed import needed
from bench.store import JobDir, Store
from bench.store.job_dir import CHECKPOINT, OWN
from bench.words import listed

# kind -> what it is, and what it costs to have it again
WHAT = {
    "checkpoints": ("checkpoints of jobs that are done", "nothing: the result is there"),
    "damaged": ("damaged files that were set aside; their jobs are done anew, or will be", "nothing: not used again"),
    "code": ("copies of the code that no unfinished submission to Slurm names", "nothing: the next one makes its own"),
    "cache": ("what torch.compile left", "the next run compiles again: seconds to minutes for each size"),
}
HAVE = {  # kind -> the kinds of job that have it
    kind: [of_job for of_job in KINDS if DESCRIPTIONS[of_job].cleaned_as == kind] for kind in ("weights", "learngenes")
}
DEAR = {  # only where they are asked for: kind -> what it is
    "weights": f"models of done {listed([f'{kind}s' for kind in HAVE['weights']])}",
    "learngenes": "learngenes of done jobs",
}
# names that this project gives; all others, and folders that hold such, are somebody's own
DAMAGED = re.compile(r".+\.damaged-\d{8}-\d{6}-[0-9a-f]+")
UNUSED = re.compile(rf"\.?{re.escape(CHECKPOINT)}(\.\d+)?(\.[0-9a-f]{{8}}\.tmp)?")
SNAPSHOT_FOLDER = re.compile(r"\.?[0-9a-f]{16}(-\d+)?(\.anew-[0-9a-f-]+)?(\.[0-9a-f]{8})?(\.gone)?")
GONE = re.compile(r"\.(inductor|[0-9a-f]{16}.*)\.[0-9a-f]{8}\.gone")
YOUNG = 24 * 3600.0  # seconds in which a copy of the code may belong to a submission that is not written down yet


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can go. why_kept: why it stays all the same; empty where it may go. seconds, flops: what it
    took to make it."""

    kind: str
    path: Path
    bytes: int
    why_kept: str = ""
    seconds: float = 0.0
    flops: float = 0.0


def artifacts(store: Store, what: Collection[str]) -> Iterator[Leftover]:
    """The files of done jobs, of the kinds of `DEAR` that are asked for."""
    need = needed(store)
    for kind in what:
        for kind_of_job in HAVE[kind]:
            for id in sorted(store.ids(kind_of_job)):
                job = store.job_dir(kind_of_job, id)
                try:
                    result = None if ".damaged-" in id or job.linked else job.result()
                except (ValueError, OSError):  # damaged, or another user's who lets nobody read it
                    continue
                cost = (result or {}).get("cost", {})
                gone = [name for name in (result or {}).get("cleaned", {}) if (job.path / name).is_file()]
                for name in [*(result or {}).get("artifacts", {}), *gone]:  # gone: of a clean that was killed
                    if not (job.path / name).is_file():
                        continue
                    why = need.jobs.get(id, "") or (need.unknown if kind_of_job != "run" else "")
                    if job.contents().lock and job.lock().holder() is not None:
                        why = "its job is being done"
                    plain = _leftover(kind, job.path / name, why)
                    yield replace(plain, seconds=cost.get("seconds", 0.0), flops=cost.get("flops", 0.0))


def leftovers(store: Store) -> list[Leftover]:
    """All of a results folder, by one walk through its jobs."""
    every: list[Leftover] = []
    working = False
    for kind in KINDS:
        for entry in _entries(store.kind(kind)):
            if not entry.is_dir(follow_symlinks=False):
                continue
            if DAMAGED.fullmatch(entry.name):
                others = [other.name for other in _entries(Path(entry.path)) if not OWN.fullmatch(other.name)]
                every.append(_leftover("damaged", Path(entry.path), f"{others[0]} is no job's" if others else ""))
                continue
            held = JobDir(Path(entry.path)).lock().holder() is not None if _locked(entry.path) else False
            working |= held
            every += _of_job(Path(entry.path), held)
    every += _code(store)
    cache = store.root / "cache"
    for path in [cache / "inductor", *_gone(cache)]:
        if path.is_dir() and not path.is_symlink():
            every.append(_leftover("cache", path, "a job runs in this folder" if working else ""))
    return every


def _of_job(folder: Path, held: bool) -> Iterator[Leftover]:
    """What a job's folder holds of it."""
    for entry in _entries(folder):
        if DAMAGED.fullmatch(entry.name) and OWN.fullmatch(entry.name):
            yield _leftover("damaged", Path(entry.path), "its job is being done" if held else "")
        elif UNUSED.fullmatch(entry.name) and JobDir(folder).done():  # also one that was being written
            yield _leftover("checkpoints", Path(entry.path), "its job is being done" if held else "")


def _code(store: Store) -> Iterator[Leftover]:
    """Copies of the code: those that a submission names of which a job is not done stay, and young ones."""
    needed = set()
    for suite in (entry.name for entry in _entries(store.root) if entry.is_dir()):
        for submission in Submission.all(store, suite):
            jobs = [id for array in submission.data["arrays"] for group in array["groups"] for id in group]
            if not all(any(store.job_dir(kind, id).done() for kind in KINDS) for id in jobs):
                needed.add(os.path.realpath(submission.data["code"]))
    for entry in _entries(store.root / "code"):
        if not entry.is_dir(follow_symlinks=False) or not SNAPSHOT_FOLDER.fullmatch(entry.name):
            continue  # differences from commits, which results name
        named = os.path.realpath(entry.path) in needed
        young = time.time() - entry.stat().st_mtime < YOUNG and not entry.name.endswith(".gone")
        why = "a submission to Slurm names it" if named else "it is less than a day old" if young else ""
        yield _leftover("code", Path(entry.path), why)


def remove(leftover: Leftover) -> bool:
    """Remove it; returns whether it went. Of a job that somebody does meanwhile nothing goes.

    A folder has another name first, so that one that is half removed is taken for nothing else.
    """
    path = leftover.path
    if leftover.why_kept or path.is_symlink():
        return False
    job = JobDir(path.parent)
    of_job = leftover.kind in ("checkpoints", "damaged", *DEAR)
    lock = job.lock() if of_job and not path.is_dir() else None
    if lock is not None and not lock.acquire():
        return False
    try:
        if leftover.kind in ("checkpoints", *DEAR) and not job.done():
            return False
        if leftover.kind in DEAR:
            job.clean([path.name])
            return True
        if path.is_dir():
            gone = path.with_name(f".{path.name}.{secrets.token_hex(4)}.gone") if leftover.kind != "damaged" else path
            os.rename(path, gone)
            shutil.rmtree(gone)
        else:
            path.unlink(missing_ok=True)
        return True
    finally:
        if lock is not None:
            lock.release()


def _leftover(kind: str, path: Path, why_kept: str = "") -> Leftover:
    owner = path.lstat().st_uid
    return Leftover(kind, path, size(path), why_kept or ("" if owner == os.geteuid() else f"user {owner} owns it"))


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder, as far as they can be looked at; links are not followed."""
    total, todo = 0, [str(path)]
    while todo:
        with suppress(OSError):  # it went meanwhile, or is too deep
            one = todo.pop()
            status = os.lstat(one)
            total += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            todo += [os.path.join(one, name) for name in os.listdir(one)] if stat.S_ISDIR(status.st_mode) else []
    return total


def _locked(folder: str) -> bool:
    return JobDir(Path(folder)).contents().lock


def _gone(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if GONE.fullmatch(entry.name)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it is none, or may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
