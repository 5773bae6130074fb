"""One job while it runs: its folder, its clock, its wish to stop, its checkpoint."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from bench.files import cache_folder, is_private, make_private
from bench.store.job_dir import JobDir
from bench.train import checkpoint
from bench.train.clock import Clock
from bench.train.cost import Cost
from bench.train.curve import Curve
from bench.train.forwards import Forwards
from bench.train.group import Group

COMPILED = "TORCHINDUCTOR_CACHE_DIR"
AGREE = 10  # steps between moments at which a group agrees whether to save or stop


class Interrupted(Exception):
    """The job was asked to stop; its checkpoint says where it was."""


class NotFinite(ValueError):
    """A loss was NaN or infinite."""


class Session:
    """What all fits of a job share. A replayed job finds here what was already done.

    group: the processes that do the job together. Only the first one's `folder` is the job's own; that of the others
        takes what they write, and is thrown away.
    """

    def __init__(
        self, folder: JobDir, device: torch.device, *, checkpoint_seconds: float = 30.0,
        progress: Callable[..., None] = lambda **note: None, group: Group | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.device, self.progress, self.group = folder, device, progress, group or Group()
        self.clock = Clock(device, self.group)
        self.forwards = Forwards(self.clock)
        self.checkpoint_seconds = checkpoint_seconds
        self.stop = False  # set from a signal handler
        self.costs: dict[str, Cost] = {}  # by name; what is replayed replaces its entry
        self.seen: set[str] = set()  # what the job was seen to use
        self.notes: dict[str, dict[str, Any]] = {}  # by fit: what its warm-up found, where it had one
        self.curves: dict[str, Curve] = {}  # by fit: its losses
        self._last_save = time.monotonic()
        self._save_seconds = 0.0
        state, trouble = checkpoint.load(folder.checkpoint, self.group)
        if trouble:
            self.log("warning", message=trouble)
        state = state or {"done": {}, "current": None}
        self.done: dict[str, dict[str, Any]] = state["done"]
        self.current: dict[str, Any] | None = state["current"]

    def log(self, event: str, **values: Any) -> None:
        self.folder.append_log(event, **values)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Run a method's function and return what it gives; the seconds and joules that no fit or meter of it accounts
        for are charged under its name. FLOPs are not: a pass of images that is on no meter is counted."""
        with self.clock.stage(name) as stage, self.forwards.watched(name):
            value = work()
        cost = self.costs[name] = Cost()
        stage.charge(cost)
        return value

    def finish_fit(self, name: str, state: dict[str, Any]) -> None:
        """Remember a finished fit, and its weights as they are now: another fit may go on with the module. It is
        written when a checkpoint is due; until then the last one leads up to it."""
        weights = {key: tensor.to("cpu", copy=True) for key, tensor in state["model"].items()}
        self.done[name], self.current = state | {"model": weights}, None
        if self.checkpoint_due():
            self.save(None)

    def checkpoint_due(self) -> bool:
        """Asked at every step: at the interval, but never more than a twentieth of the time."""
        return time.monotonic() - self._last_save > max(self.checkpoint_seconds, 20 * self._save_seconds)

    def pause_due(self, step: int, last: bool) -> Literal["", "save", "stop"]:
        """What to do after a step. Alone: as soon as it is time. In a group: at steps at which all ask each other."""
        if self.group.world == 1:
            return "stop" if self.stop else "save" if self.checkpoint_due() else ""
        if step % AGREE and not last:
            return ""
        wish = 2 if self.stop else int(self.group.rank == 0 and self.checkpoint_due())
        return ("", "save", "stop")[self.group.agree(wish)]

    def save(self, current: dict[str, Any] | None) -> None:
        if self.group.rank > 0:
            return
        with self.clock.stage("checkpoint") as stage:
            size = checkpoint.save(self.folder.checkpoint, {"done": self.done, "current": current})
        self._last_save, self._save_seconds = time.monotonic(), stage.seconds
        self.log("checkpoint", bytes=size, seconds=round(self._save_seconds, 4))

    def for_result(self) -> dict[str, Any]:
        """What a result says of warm-ups: how many parts batches were computed in where memory asked for it, by fit,
        and the seconds that compiling took; and how many forward passes of a method nobody was charged for."""
        parts = {fit: notes["accumulate"] for fit, notes in self.notes.items() if "accumulate" in notes}
        seconds = [notes["compile_seconds"] for notes in self.notes.values() if "compile_seconds" in notes]
        unmetered = self.forwards.unmetered
        return (
            ({"accumulate": parts} if parts else {})
            | ({"compile_seconds": sum(seconds)} if seconds else {})
            | ({} if unmetered is None else {"unmetered": unmetered})
        )

    def training(self) -> dict[str, list[dict[str, Any]]]:
        """What a result says of the losses of fits: a point per epoch, by fit."""
        return {fit: curve.epochs for fit, curve in self.curves.items() if curve.epochs}

    def close(self) -> None:
        """Forget the checkpoint: the job is done."""
        self.folder.checkpoint.unlink(missing_ok=True)


def share_compiled(root: Path) -> None:
    """What torch.compile makes goes to the results directory, where all runs of this user find it, on whichever
    machine; to the user's own cache where the folder there is another's, who could put there what is then run.

    Unless the user has named a folder in the environment: `torchinductor_USER` is what torch writes there on its own,
    a folder of one machine, as soon as it is imported.
    """
    named = Path(os.environ.get(COMPILED, "torchinductor_"))
    if named.name.startswith("torchinductor_") or named.parts[-2:] == ("cache", "inductor"):
        shared = root.absolute() / "cache" / "inductor"
        with contextlib.suppress(OSError):
            make_private(shared)
        os.environ[COMPILED] = str(shared if is_private(shared) else cache_folder() / "inductor")
