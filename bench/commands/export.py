"""`bench export`: a model or learngene of a job, as a folder for others."""

import argparse
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import UsageError, printable
from bench.export.selection import COLUMNS, select
from bench.store import Store


def main(options: argparse.Namespace) -> int:
    store = Store(options.results)
    wishes = {column: getattr(options, column) for column in COLUMNS if getattr(options, column) is not None}
    if options.run is None and not wishes:
        listed = ", ".join(f"--{column}" for column in COLUMNS)
        raise UsageError(f"expected RUN, the id of a job, or which row of the tables: {listed}")
    selected = select(store, options.run, wishes)
    say(f"{selected.kind} {selected.id}")
    from bench.export.of_job import export  # not above: it imports torch, and mistakes are told before

    with shown_warnings():
        usage = export(store, selected, options.what, options.out, force=options.force, use=options.use, say=say)
    print(f"written: {options.out}\n\n{usage}")
    return 0


def say(text: str) -> None:
    """Print what is being done, at once."""
    print(printable(text), flush=True)


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Show warnings as commands do, in a line each."""
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        yield


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    print(printable(f"warning: {message}"), file=sys.stderr)
