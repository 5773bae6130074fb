"""`bench check`: whether a method keeps what every method promises, on small models and in the real Lab."""

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import methods
from bench.commands.methods import class_of
from bench.errors import UsageError, printable
from bench.suite import overrides
from methods import Initializer
from methods.testing import PROMISES, SPEC, check_documented, check_options, check_refusal, resolved, sizes_around
from methods.testing.trial import Trial

ANCESTOR = SPEC.replace(depth=6)

Attempt = Callable[[], object]


class Record:
    """Tries what is promised, and prints a line for each promise."""

    def __init__(self, cls: type[Initializer]) -> None:
        self.files, self.broken, self.kept = {_file_of(c) for c in cls.__mro__}, 0, 0

    def line(self, promise: str, attempts: Mapping[str, Attempt]) -> list[str]:
        """Make the attempts, by size. Returns those that failed."""
        troubles = {name: trouble for name, attempt in attempts.items() if (trouble := self.trouble(attempt))}
        if len(troubles) < len(attempts):
            good = f" ({', '.join(name for name in attempts if name not in troubles)})" if troubles else ""
            print(f"kept    {promise}{good}", flush=True)
        for trouble in dict.fromkeys(troubles.values()):
            where = ", ".join(name for name, other in troubles.items() if other == trouble)
            print(printable(f"BROKEN  {promise}{where and f' ({where})'}: {trouble}"), flush=True)
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


def main(options: argparse.Namespace) -> int:
    cls = class_of(options.method)
    record = Record(cls)
    chosen: dict[str, object] = {}
    overrides.apply(chosen, options.option, "--option")
    print(f"{options.method}, version {cls.version}" + (f", with {', '.join(options.option)}" if chosen else ""))
    if record.line("its options are dataclass fields with defaults", {"": lambda: check_options(cls())}):
        return _end(record)
    try:
        initializer = methods.get(options.method, **chosen)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--option: {error}") from None
    _contract(initializer, record)
    from bench.commands.check.lab import in_the_lab  # late: it imports torch

    in_the_lab(initializer, record)
    return _end(record)


def _contract(initializer: Initializer, record: Record) -> None:
    """Every promise, on sizes around a small ancestor's, with a stub of the Lab."""
    ancestor = ANCESTOR if initializer.ancestors else None
    sizes, reasons = sizes_around(ANCESTOR), dict[str, str | None]()

    def ask() -> None:
        for name, size in sizes.items():
            reasons[name] = initializer.supports(ancestor, size)

    if record.line("supports says which sizes it serves", {"": ask}):
        return
    print(f"        serves: {', '.join(name for name, reason in reasons.items() if reason is None) or 'no size'}")
    for name, reason in reasons.items():
        if reason is not None:
            print(printable(f"        not {name}: {reason}"))
    served = {name: size for name, size in sizes.items() if reasons[name] is None}
    if len(served) < len(sizes):
        refused = {
            name: partial(check_refusal, initializer, ANCESTOR, size)
            for name, size in sizes.items()
            if name not in served
        }
        record.line("a size that it does not serve has a reason, and initialize raises it", refused)
    trials: dict[str, Trial] = {}

    def resolve(name: str) -> None:
        trials[name] = resolved(initializer, ANCESTOR, served[name])

    record.line("its options fit, and resolve says the same twice", {name: partial(resolve, name) for name in served})
    for promise, keep in PROMISES.items():
        record.line(promise, {name: partial(keep, trial) for name, trial in trials.items()})
    record.advise(record.trouble(lambda: check_documented(type(initializer))))


def _file_of(cls: type) -> str:
    return str(Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or ""))


def _end(record: Record) -> int:
    print(f"{record.kept} promises kept, {record.broken} broken")
    return 1 if record.broken else 0
