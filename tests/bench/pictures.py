"""What reports draw in tests of other things: two pictures, in the format that the page shows.

That all are drawn is tested in report/ and suites/, that they are saved in every format by the whole report of
report/test_write.py and by `fresh_process`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bench.report.folder  # noqa: F401  it reads the names of all of them, when it is imported
from bench.report.plots import canvas, every

ALL, FORMATS = every.PICTURES, canvas.FORMATS
FEW = {name: ALL[name] for name in ("accuracy_vs_size", "own_training")}


def few() -> None:
    """Have the reports of this process draw two pictures, each in one format."""
    every.PICTURES, canvas.FORMATS = FEW, ("svg",)


@contextmanager
def all_pictures() -> Iterator[None]:
    """Have reports draw all pictures, for fixtures of a whole module."""
    before, every.PICTURES = every.PICTURES, ALL
    try:
        yield
    finally:
        every.PICTURES = before
