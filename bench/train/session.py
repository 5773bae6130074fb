"""One job while it runs: its folder, its clocks, its wish to stop, its checkpoint."""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import numpy
import torch

from bench.identity import derive_seed
from bench.store.job_dir import JobDir
from bench.train import checkpoint
from bench.train.cost import Cost


class Interrupted(Exception):
    """The job was asked to stop; its checkpoint says where it was."""


class NotFinite(ValueError):
    """A loss was NaN or infinite."""


class Session:
    """What all fits of a job share. A replayed job finds here what was already done."""

    def __init__(
        self, folder: JobDir, device: torch.device, *, checkpoint_seconds: float = 30.0,
        progress: Callable[..., None] = lambda **note: None,
    ) -> None:  # fmt: skip
        self.folder, self.device, self.progress = folder, device, progress
        self.checkpoint_seconds = checkpoint_seconds
        self.stop = False  # set from a signal handler
        self.costs: dict[str, Cost] = {}  # by name; what is replayed replaces its entry
        self.seen: set[str] = set()  # what the job was seen to use
        self._last_save = time.monotonic()
        self._save_seconds = 0.0
        state, trouble = checkpoint.load(folder.checkpoint, device)
        if trouble:
            self.log("warning", message=trouble)
        state = state or {"done": {}, "current": None}
        self.done: dict[str, dict[str, Any]] = state["done"]
        self.current: dict[str, Any] | None = state["current"]

    def log(self, event: str, **values: Any) -> None:
        self.folder.append_log(event, **values)

    def finish_fit(self, name: str, state: dict[str, Any]) -> None:
        """Remember a finished fit. It is written when a checkpoint is due; until then the last one leads up to it."""
        self.done[name], self.current = state, None
        if self.checkpoint_due():
            self.save(None)

    def checkpoint_due(self) -> bool:
        """Asked at every step: at the interval, but never more than a twentieth of the time."""
        return time.monotonic() - self._last_save > max(self.checkpoint_seconds, 20 * self._save_seconds)

    def save(self, current: dict[str, Any] | None) -> None:
        began = time.monotonic()
        size = checkpoint.save(self.folder.checkpoint, {"done": self.done, "current": current})
        self._last_save = time.monotonic()
        self._save_seconds = self._last_save - began
        self.log("checkpoint", bytes=size, seconds=round(self._save_seconds, 4))

    def close(self) -> None:
        """Forget the checkpoint: the job is done."""
        self.folder.checkpoint.unlink(missing_ok=True)


def seed_all(*parts: Any) -> None:
    """Seed every global generator for a purpose."""
    seed = derive_seed(*parts)
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_step(seed: int, device: torch.device) -> None:
    """Seed what a training step draws from (dropout, stochastic depth). torch.manual_seed takes 0.2 ms and more."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(seed)


def deterministic(threads: int) -> None:
    """Arithmetic that depends on the machine and its libraries alone."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
