"""What a part of tests/performance/gpu.py says."""

import math
import sys
import traceback
from collections.abc import Iterator
from typing import NamedTuple

import torch

FAILED = "failed: "


class Row(NamedTuple):
    part: str
    case: str
    what: str
    value: float
    target: str = ""


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
