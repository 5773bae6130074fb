"""Standard output and error as they may be: closed, full, a pipe that ends, a terminal that knows ASCII alone."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

LINE_EVERY = 2.0  # seconds between two lines of progress


def show_everything() -> None:
    """Have characters that the terminal does not know shown by their numbers, and what is closed lead to nowhere."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (until the process ends)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def at_intervals(
    words: Callable[[int], str], say: Callable[[str], object] = _to_stderr, seconds: float = LINE_EVERY
) -> Callable[[int], None]:
    """Return a function of how much is done, which says the words for it every few seconds."""
    last = time.monotonic()

    def line(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > seconds:
            last = time.monotonic()
            say(words(done))

    return line


class Lasting:
    """A stream whose writes never fail: what cannot be written any more is left out."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return self.stream.write(text)
        self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """What the stream still holds goes nowhere, too: it would fail again when the process ends."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Go on when nobody listens any more: a sweep takes longer than the terminal that it was started from."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Lasting(before[0]), Lasting(before[1])  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before
