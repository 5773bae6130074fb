"""Seeing forward passes that nobody is charged for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils.hooks import RemovableHandle

from bench.train.clock import Clock


class Forwards:
    """Counts the forward passes that a method's function makes outside of meters, after it has drawn images.

    Whether a pass is on a meter, the job's clock tells: its innermost stage is then another one than the function's.
    Computations that call no module are not seen.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.unmetered: int | None = None  # None: no function was watched
        self._stage = ""  # of the function that is watched
        self._depth = 0  # of calls of modules by modules
        self._hooks: list[RemovableHandle] = []

    @contextmanager
    def watched(self, stage: str) -> Iterator[None]:
        """Watch a function, which has this stage of the clock."""
        self._stage, self.unmetered = stage, self.unmetered or 0
        try:
            yield
        finally:
            self._stage = ""
            self._unhook()

    def images_drawn(self) -> None:
        """Count from here on, where a function is watched."""
        if self._stage and not self._hooks:
            self._depth = 0
            leave = register_module_forward_hook(self._leave, always_call=True)
            self._hooks = [register_module_forward_pre_hook(self._enter), leave]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Without hooks, which would slow a training down and be compiled with it."""
        hooked = bool(self._hooks)
        self._unhook()
        try:
            yield
        finally:
            if hooked:
                self.images_drawn()

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _enter(self, *_: Any) -> None:
        if self._depth == 0 and self.clock.stages[-1].name == self._stage:
            self.unmetered = (self.unmetered or 0) + 1
        self._depth += 1

    def _leave(self, *_: Any) -> None:
        self._depth = max(self._depth - 1, 0)
