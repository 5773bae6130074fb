"""What a part of tests/performance/gpu.py says."""

import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch

FAILED = "failed: "


class Row(NamedTuple):
    part: str
    case: str
    what: str
    value: float
    target: str = ""


class Left(NamedTuple):
    """The cases of a part that are not measured to their end yet."""

    cases: tuple[str, ...]


def attempts(part: str, cases: Mapping[str, Iterator[Row]]) -> Iterator[Row | Left]:
    """The rows of each case, in order. What is left is said before every case, for when the time is up in it."""
    for number, (case, rows) in enumerate(cases.items()):
        yield Left(tuple(cases)[number:])
        yield from attempt(part, case, rows)
    yield Left(())


def attempt(part: str, case: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a case, and one more where it fails, so that the cases after it go on. Each compiles anew: what
    differs from the case before would be compiled for any size."""
    if "torch._dynamo" in sys.modules:  # importing it takes seconds
        torch.compiler.reset()
    try:
        yield from rows
    except Exception as error:
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split()).replace("|", "/")
        yield Row(part, case, FAILED + text[:300], math.nan)
