"""Waiting for what another process does: nothing announces what it writes, so that is looked at again and again.
It takes as long as it takes; no test counts on it being quick."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

Found = TypeVar("Found")
PATIENCE = 1800.0  # seconds
EVERY = 0.01  # seconds: the reading costs some of the time of what is waited for


class Started(Protocol):
    """A process, as subprocess.Popen and tests.bench.warm_command.Command have it."""

    def poll(self) -> int | None: ...

    def communicate(self) -> tuple[str, object]: ...


def until(condition: Callable[[], Found], started: Started | None = None) -> Found:
    """What the condition gives, once it is true of it. Fails where `started` ends before, with what that printed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = started is not None and started.poll() is not None
        if found := condition():  # what it did before it ended counts
            return found
        assert not ended, started.communicate()[0] if started is not None else ""
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s"
        time.sleep(EVERY)
