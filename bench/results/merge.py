"""Copies done jobs from one results folder into another, each whole or not at all.

A job is copied into a hidden folder of the target first and hashed there; then one rename makes it appear. Where the
target has begun the same job, its lock is taken and the result comes last. A process that is killed leaves whole jobs,
and a hidden folder that a later merge removes.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.files import is_abandoned, temporary
from bench.results.verify import done_jobs, problem
from bench.store import JobDir, Store

NUMBERS = ("top1", "top5", "loss", "val_top1", "top1_init", "best_top1", "stored_params", "teacher_params")
STAGE = "merge"  # in the name of the hidden folder


@dataclass
class Merged:
    """Jobs by what became of them; in words, those that were not taken."""

    taken: int = 0
    there: int = 0
    other: list[str] = field(default_factory=list)  # there, with other numbers: what was there stays
    busy: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def merge(source: Store, target: Store, progress: Callable[[int], None] = lambda done: None) -> Merged:
    """Copy every done job of `source` that `target` has not done. `source` is only read."""
    merged = Merged()
    target.root.mkdir(parents=True, exist_ok=True)
    stage = temporary(target.root / STAGE)
    stage.mkdir()
    try:
        for left in target.root.glob(f".{STAGE}.*.tmp"):
            if is_abandoned(left, beside=stage) and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
        for number, (kind, id, folder) in enumerate(done_jobs(source), start=1):
            _merge(kind, id, folder, target, JobDir(stage / kind / id), merged)
            progress(number)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return merged


def _merge(kind: str, id: str, folder: JobDir, target: Store, copy: JobDir, merged: Merged) -> None:
    place = target.job_dir(kind, id)
    if place.linked:
        merged.broken.append(place.linked)
        return
    if place.damage() is not None:
        place.set_aside()
    if place.done():
        merged.there += 1
        if _numbers(place) != _numbers(folder):
            merged.other.append(f"{kind} {id}")
        return
    try:
        folder.copy_whole(copy)
    except PermissionError as error:  # of one file: the others' jobs are taken
        merged.broken.append(f"{error.filename}: {error.strerror}")
        shutil.rmtree(copy.path)
        return
    if trouble := problem(kind, id, copy):
        merged.broken.append(trouble.replace(str(copy.path), str(folder.path)))
        shutil.rmtree(copy.path)
    elif _appear(copy, place):
        merged.taken += 1
    else:
        merged.busy.append(f"{kind} {id}")


def _appear(copy: JobDir, place: JobDir) -> bool:
    """Move a copied job to its place; False where another process is at it."""
    place.path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # a job that was begun there has files
        os.rename(copy.path, place.path)
        return True
    lock = place.lock()
    if not lock.acquire():
        return False
    try:
        if not place.done():
            place.take(copy)
        return True
    finally:
        lock.release()


def _numbers(folder: JobDir) -> dict[str, Any]:
    try:
        result = folder.result() or {}
    except ValueError:
        return {}
    return {name: result[name] for name in NUMBERS if name in result}
