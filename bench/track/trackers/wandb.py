"""Weights & Biases: a folder per job, as its offline mode makes it; `wandb sync` uploads it, nothing here does."""

from __future__ import annotations

import os
import re
import shutil
import time
from itertools import groupby
from pathlib import Path
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read at import; crashes would be told by network
import wandb

from bench import files
from bench.errors import BenchError
from bench.track.record import Key, Point, Record
from bench.track.trackers.tracker import TrackedJob

SIDE = "bench.json"  # what a job's folder has of it, since the file of wandb is not for reading
SHAPE = {"key": str, "began": float, "points": [[object]]}
BAD = re.compile(r'[/\\#?%:"\'<>|*]')  # what an id may not have


def open_tracker(folder: Path) -> Folders:
    return Folders(folder)


class Folders:
    """`wandb/offline-run-DATE-ID/`, a job each. A job that grew is written anew, with all that it has, and takes the
    place of what was there: so what is uploaded later is whole, however often it grew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, Path] = {}
        self.sides: dict[str, dict[str, Any]] = {}
        for path in folder.glob(".write.*.tmp"):
            shutil.rmtree(path)  # of a process that was killed
        written = [(read_side(path), path.parent) for path in folder.glob(f"wandb/offline-run-*/{SIDE}")]
        for side, place in sorted(written, key=lambda pair: len(pair[0]["points"])):
            if (less := self.places.get(side["key"])) is not None:
                shutil.rmtree(less)  # a process was killed before it did this
            self.places[side["key"]], self.sides[side["key"]] = place, side

    def look_up(self, key: str) -> TrackedJob | None:
        side = self.sides.get(key)
        return TrackedJob(points_of(side), side["began"]) if side is not None else None

    def write(self, key: str, record: Record, new: list[Point]) -> None:
        if not new and key in self.sides:
            return
        rows = [[point.series, point.step, point.value, point.time] for point in new]
        side = {"key": key, "began": record.began, "points": rows}
        if key in self.sides:
            side |= {"began": self.sides[key]["began"], "points": [*self.sides[key]["points"], *rows]}
        stage = files.temporary(self.folder / "write")
        stage.mkdir(parents=True)
        try:
            self._log(stage, key, record, points_of(side))
            (run_folder,) = stage.glob("wandb/offline-run-*")
            files.write_json(run_folder / SIDE, side)
            place = self._place(run_folder.name, key)
            os.rename(run_folder, place)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        older, self.places[key], self.sides[key] = self.places.get(key), place, side
        if older is not None:
            shutil.rmtree(older)

    def _log(self, stage: Path, key: str, record: Record, points: dict[Key, float]) -> None:
        settings = wandb.Settings(
            disable_git=True, save_code=False, console="off", silent=True, x_disable_stats=True, x_disable_meta=True
        )
        name = record.name + key.removeprefix(record.id)
        run = wandb.init(
            mode="offline", dir=str(stage), project=record.suite, id=BAD.sub("_", key), name=name, group=record.kind,
            config=record.facts, settings=settings, reinit="finish_previous",
        )  # fmt: skip
        try:
            for axis in dict.fromkeys(axis_of(series) for series, _ in points):
                run.define_metric(f"{axis}/step", hidden=True)
                run.define_metric(f"{axis}/*", step_metric=f"{axis}/step")
            for (axis, step), keys in groupby(sorted(points, key=moment), key=moment):
                values = {key[0]: points[key] for key in keys}
                if axis == "result":
                    run.summary.update(values)
                else:
                    run.log({f"{axis}/step": step, **values})
        finally:
            run.finish()

    def _place(self, name: str, key: str) -> Path:
        """A name as wandb gives it that nothing has yet."""
        seconds = time.time()
        while True:
            date = time.strftime("%Y%m%d_%H%M%S", time.localtime(seconds))
            place = self.folder / "wandb" / f"offline-run-{date}-{BAD.sub('_', key)}"
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                return place
            seconds += 1

    def close(self) -> None:
        """End the process that wandb writes by."""
        wandb.teardown()

    def usage(self) -> str:
        return f"wandb sync {self.folder}/wandb/offline-run-*"


def read_side(path: Path) -> dict[str, Any]:
    try:
        side = files.read_json(path, SHAPE)
    except ValueError as error:
        raise BenchError(f"{error}; remove {path.parent}, and its job is told anew") from None
    assert side is not None
    return side


def axis_of(series: str) -> str:
    """What shares its steps: a fit, or the evaluations."""
    return series.rpartition("/")[0]


def moment(key: Key) -> tuple[str, int]:
    return axis_of(key[0]), key[1]


def points_of(side: dict[str, Any]) -> dict[Key, float]:
    return {(series, step): value for series, step, value, _ in side["points"]}
