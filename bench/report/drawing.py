"""The pictures of a report as files: several drawn at once, each in a forked process, where forking is safe."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import active_children, current_process, get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import BenchError
from bench.processes import cores, die_with_parent
from bench.report.page.html import Picture
from bench.report.plots import every
from bench.report.plots.canvas import save, theme

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from bench.report.analysis.section_analysis import Analysis
    from bench.report.style import Look

PIXELS_PER_INCH = 110  # of a picture on the page
MOST = 4  # at once: each needs memory of its own, and the dearest picture takes a quarter of the time of all


class Task(NamedTuple):
    """One picture of one suite, and the beginning of its files' names."""

    suite: str
    name: str
    stem: str
    analyses: list[Analysis]
    note: str  # what its caption says in the end


@contextmanager
def begun(
    suites: dict[str, list[Analysis]], looks: dict[str, Look], out: Path
) -> Iterator[Callable[[], list[Picture]]]:
    """Begin to draw what the data allow, as files in `out`; yields a function that waits for all and returns them. With
    several suites the names start with the suite's."""
    tasks = [task for suite, analyses in suites.items() for task in _tasks(suite, analyses, alone=len(suites) == 1)]
    with theme():
        every.load()  # before the forks, which need not again
        at_once = min(cores(), MOST, len(tasks))
        futures = _forked(at_once, tasks, looks, out) if at_once > 1 and _may_fork() else None
        if futures is None:
            yield lambda: [picture for task in tasks if (picture := _draw(task, looks, out))]
        else:
            with futures as pending:
                yield lambda: [picture for future in pending if (picture := future.result())]


def slug(text: str) -> str:
    """Return a part of a file name: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip(".") or "_"


def _tasks(suite: str, analyses: list[Analysis], *, alone: bool) -> Iterator[Task]:
    narrowed = [analysis.narrowed() for analysis in analyses]
    shown, labels = ({m for a in some for m in a.section.methods} for some in (narrowed, analyses))
    note = (
        f"Shown: {len(shown)} of {len(labels)} labels, the most accurate and the controls; summary.csv has all."
        if shown < labels
        else ""
    )
    for name in every.PICTURES:
        yield Task(suite, name, name if alone else f"{slug(suite)}_{name}", narrowed, note)


def _draw(task: Task, looks: dict[str, Look], out: Path) -> Picture | None:
    drawn = every.draw(task.name, task.analyses, looks)
    if drawn is None:
        return None
    width = round(drawn.figure.get_figwidth() * PIXELS_PER_INCH)
    caption = " ".join(filter(None, (every.PICTURES[task.name], drawn.note, task.note)))
    return Picture(task.suite, task.name, caption, save(drawn.figure, out, task.stem), width)


def _may_fork() -> bool:
    """Elsewhere system libraries do not bear it, another thread may hold a lock that a fork would wait for, and what a
    pool of multiprocessing has forked may have no children."""
    return sys.platform == "linux" and threading.active_count() == 1 and not current_process().daemon


def _forked(
    at_once: int, tasks: list[Task], looks: dict[str, Look], out: Path
) -> AbstractContextManager[list[Future[Picture | None]]] | None:
    """The pictures to come, of processes forked with all that is to be drawn: only numbers go in, and names of files
    come back. None where the system has no more processes, or no semaphores."""
    before = set(active_children())
    try:
        pool = ProcessPoolExecutor(at_once, get_context("fork"), _begin, (os.getpid(), tasks, looks, out))
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "This process .* is multi-threaded", DeprecationWarning
            )  # of NumPy's BLAS
            # not by `map`, which cancels what is left: a pool that was killed cannot end that (Python 3.11)
            futures = [pool.submit(_draw_number, number) for number in range(len(tasks))]
    except (OSError, ImportError, NotImplementedError):
        _kill(before)
        return None
    return _ended(pool, futures, before)


@contextmanager
def _ended(
    pool: ProcessPoolExecutor, futures: list[Future[Picture | None]], before: set[BaseProcess]
) -> Iterator[list[Future[Picture | None]]]:
    try:
        with pool:
            try:
                yield futures
            except BaseException:  # Ctrl-C, a full disk: nobody waits for the other pictures
                _kill(before)
                raise
    except BrokenProcessPool as error:
        why = error.__cause__ or "it was killed, out of memory or by hand"
        raise BenchError(f"report: a process that drew pictures ended; nothing was written: {why}") from error


def _kill(before: set[BaseProcess]) -> None:
    for child in set(active_children()) - before:
        child.kill()


_assignment: tuple[list[Task], dict[str, Look], Path]


def _begin(parent: int, tasks: list[Task], looks: dict[str, Look], out: Path) -> None:
    """What a forked process does first. Ctrl-C is its parent's matter, at whose death it ends."""
    global _assignment
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent, signal.SIGKILL)
    _assignment = (tasks, looks, out)


def _draw_number(number: int) -> Picture | None:
    tasks, looks, out = _assignment
    return _draw(tasks[number], looks, out)
