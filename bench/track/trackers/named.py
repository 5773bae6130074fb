"""The trackers by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from bench.errors import UsageError, extra
from bench.track.trackers.tracker import Tracker


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
