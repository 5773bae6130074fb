"""`bench prepare`: write the data sets of a suite once, small and in few files, for all runs to share."""

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.commands.common import prepared_folder
from bench.data import DataSettings, describe
from bench.errors import BenchError, UsageError
from bench.output import at_intervals
from bench.plan import make_plan
from bench.processes import cores
from bench.store import JobDir
from bench.suite import load

LINE_EVERY = 30.0  # seconds between two lines where there is no terminal


def main(options: argparse.Namespace) -> int:
    out = _folder(options)
    suite = load(options.suite, [*options.settings, "prepared=null"], look_at=partial(describe, hashed=False))
    plan = make_plan(suite, options.only)
    job_settings = [plan.description(id).data.settings for id in plan.jobs]
    wanted = {name: _one(name, job_settings) for name in dict.fromkeys(data["name"] for data in job_settings)}
    as_files = {name: settings for name, settings in wanted.items() if settings.stored_as_files}
    for name in wanted.keys() - as_files.keys():
        print(f"{name}: stored as pixels, not as image files: read as it is")
    for name, settings in as_files.items():
        _prepare(settings, out / name, options)
    if as_files:
        changed = [s for s in options.settings if not s.startswith("prepared=")] + [f"prepared={out}"]
        words = [str(options.suite), *(word for setting in changed for word in ("--set", setting))]
        print(f"\nuse them: python -m bench run {shlex.join(words)}")
        print("Their pixels are others than the originals', so these runs have identities of their own.")
    return 0


def _folder(options: argparse.Namespace) -> Path:
    """--out, else what the suite says."""
    folder = prepared_folder(options)
    if options.out is None and folder is None:
        raise UsageError("expected --out DIR, a folder for the prepared data sets (ImageNet at 256 pixels: some 60 GB)")
    return Path(options.out or os.path.expandvars(folder or ""))


def _one(name: str, job_settings: list[dict[str, Any]]) -> DataSettings:
    """The data set of that name, at the largest size that a job asks for."""
    distinct = {json.dumps(raw): raw for raw in job_settings if raw["name"] == name}
    asked = [DataSettings.model_validate_json(text) for text in distinct]
    first = max(asked, key=short_side)
    for other in asked:
        for key in ("source", "root", "splits", "split", "class_map", "image_column", "label_column"):
            if getattr(other, key) != getattr(first, key):
                both = f"{key}: {getattr(first, key)} and {getattr(other, key)}"
                raise UsageError(f"two data sets are named {name} ({both}); give one of them another name, with `base`")
    return first


def short_side(settings: DataSettings) -> int:
    """To which evaluation scales the shorter side of an image: on a prepared one it finds that done."""
    return max(math.floor(settings.img_size / settings.crop_pct), settings.img_size)


def _prepare(settings: DataSettings, out: Path, options: argparse.Namespace) -> None:
    from bench.data.preparing.encode import Form
    from bench.data.preparing.prepare import check, prepare

    if settings.is_prepared:
        raise UsageError(f"{settings.name}: {settings.path} is prepared already; expected the original data set")
    short = options.short_side or short_side(settings)
    if short < settings.img_size:
        raise UsageError(f"--short-side {short}: {settings.name} is used at {settings.img_size} pixels")
    form = Form(short, options.quality, settings.interpolation)
    images = sum(describe(settings, hashed=False).counts.values())
    lock = JobDir(out).lock()
    if not lock.acquire():
        raise BenchError(f"{out}: {(lock.holder() or {}).get('host', 'another process')} is preparing it; wait for it")
    try:
        with _progress(settings.name, images) as advance:
            how = {"workers": options.jobs or cores(), "skip_broken": options.skip_broken, "progress": advance}
            info = prepare(settings, form, out, **how)
        if options.check:
            check(out, info)
    except ValueError as error:
        raise BenchError(str(error)) from None
    except OSError as error:
        why = f"{error.filename or out}: {error.strerror}"
        raise BenchError(f"{why}; whole shards are kept, and the same command goes on after them") from None
    finally:
        lock.release()
    _report(settings.name, info, out, checked=options.check)


def _report(name: str, info: dict[str, Any], out: Path, *, checked: bool) -> None:
    counts = ", ".join(f"{split['num_samples']:,} {part}" for part, split in info["splits"].items())
    size = sum(sum(split["bytes"]) for split in info["splits"].values())
    per_class = info["splits"]["train"]["per_class"]
    spread = f"{len(per_class)} classes of {min(per_class)} to {max(per_class)} training images"
    print(f"{name}: {counts}; {spread}; {size / 1e9:.3g} GB in {out}")
    if checked:
        print(f"{name}: every shard matches its checksum")
    for broken in info["broken"]:
        print(f"left out: {broken}")


@contextmanager
def _progress(name: str, total: int) -> Iterator[Any]:
    """A function that takes the number of images just done: a bar on a terminal, a line now and then elsewhere."""
    if sys.stdout.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(name, total=total)
            yield lambda images: bar.advance(task, images)
        return
    done = 0
    line = at_intervals(lambda done: f"{name}: {done:,} of {total:,} images", partial(print, flush=True), LINE_EVERY)

    def advance(images: int) -> None:
        nonlocal done
        done += images
        line(done)

    yield advance
