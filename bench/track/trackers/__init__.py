"""The tools that results can be replayed into, a module each: its function `open_tracker(folder)` returns a Tracker."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from bench.errors import UsageError, extra
from bench.track.record import Key, Point, Record, State


@dataclass(frozen=True)
class Kept:
    """What a tracker has of a job already. began: of the execution that it was first told of. state: as it was told
    last; None where it keeps none."""

    points: dict[Key, float] = field(default_factory=dict)
    began: float = 0.0
    state: State | None = None


class Tracker(Protocol):
    """A tool's store in a folder that nobody else writes to meanwhile.

    What was written is there even if this process is killed at once, and what was half written is not: `kept` reads it
    from the store itself, so that nothing is there twice.
    """

    def kept(self, key: str) -> Kept | None:
        """What there is under a key: the identity of a job, or one with `@2` and so on behind it; None for nothing."""

    def write(self, key: str, record: Record, new: list[Point]) -> None:
        """Add points that are not there, none of them twice. record: the job as a whole. new: none where only its state
        has changed."""

    def close(self) -> None:
        """Let go of the store."""

    def usage(self) -> str:
        """The command that shows what is there."""


@dataclass(frozen=True)
class Entry:
    """module: where `open_tracker` is. packages: what it imports; they come with the extra of the tracker's name."""

    module: str
    packages: tuple[str, ...]


TRACKERS = {
    "tensorboard": Entry("bench.track.trackers.tensorboard", ("tensorboard",)),
    "wandb": Entry("bench.track.trackers.wandb", ("wandb",)),
    "mlflow": Entry("bench.track.trackers.mlflow", ("mlflow", "sqlalchemy", "alembic")),
}


def require(name: str) -> None:
    """Raise UsageError for a name that no tracker has, and for one whose packages are not installed."""
    if name not in TRACKERS:
        raise UsageError(f"--to {name}: expected one of {', '.join(TRACKERS)}")
    missing = [package for package in TRACKERS[name].packages if find_spec(package) is None]
    if missing:
        raise UsageError(f"--to {name}: {' and '.join(missing)} not installed here; expected: {extra(name)}")


def open_tracker(name: str, folder: Path) -> Tracker:
    """The tracker of a name, whose store is in `folder`; it is made where there is none."""
    return import_module(TRACKERS[name].module).open_tracker(folder)
