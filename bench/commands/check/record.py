"""A line for each promise that a method keeps or breaks."""

import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.errors import printable
from methods import Initializer

Attempt = Callable[[], object]


class PromiseRecord:
    """Tries what is promised, and prints a line for each promise."""

    def __init__(self, cls: type[Initializer]) -> None:
        self.files, self.broken, self.kept = {_file_of(c) for c in cls.__mro__}, 0, 0
        self.told: dict[str, str] = {}  # trouble -> the first promise that it broke

    def line(self, promise: str, attempts: Mapping[str, Attempt]) -> list[str]:
        """Make the attempts, by size. Returns those that failed."""
        troubles = {name: trouble for name, attempt in attempts.items() if (trouble := self.trouble(attempt))}
        if len(troubles) < len(attempts):
            good = f" ({', '.join(name for name in attempts if name not in troubles)})" if troubles else ""
            print(f"kept    {promise}{good}", flush=True)
        for trouble in dict.fromkeys(troubles.values()):
            where = ", ".join(name for name, other in troubles.items() if other == trouble)
            first = self.told.setdefault(trouble, promise)
            message = trouble if first == promise else f"as told above of: {first}"
            print(printable(f"BROKEN  {promise}{where and f' ({where})'}: {message}"), flush=True)
        self.broken += bool(troubles)
        self.kept += not troubles
        return list(troubles)

    def advise(self, text: str) -> None:
        """Print what could be better, if anything."""
        if text:
            print(printable(f"advice  {text}"), flush=True)

    def trouble(self, attempt: Attempt) -> str:
        """What is wrong; empty if nothing is."""
        try:
            attempt()
        except AssertionError as error:
            return str(error) or "an assertion failed" + self.place(error)
        except (Exception, SystemExit) as error:
            return f"{type(error).__name__}: {error}" + self.place(error)
        return ""

    def place(self, error: BaseException) -> str:
        """The last line of the method's own code that an error went through."""
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in self.files]
        return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _file_of(cls: type) -> str:
    return str(Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or ""))
