"""The mean accuracy of a label over all targets, where it has finished them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.report.analysis.sections import Section, once
from bench.report.analysis.statistics import intervals


class Mean(NamedTuple):
    """Top-1, mean over targets, and its interval over seeds, which is the mean alone where there is none. targets: how
    many of the section's it is over: all that any label has finished."""

    mean: float
    low: float
    high: float
    targets: int


@once
def over_targets(section: Section, method: str) -> Mean | None:
    """Return the mean over targets; None where no seed of the method has all the targets that any has finished."""
    cube = section.scores()
    finished = ~np.isnan(cube).all(axis=(0, 2))
    values = intervals(cube[:, finished, section.methods.index(method)].mean(axis=1, keepdims=True))
    if not finished.any() or not values.n[0]:
        return None
    mean, low, high = (float(v[0]) for v in (values.mean, values.low, values.high))
    return Mean(mean, *((low, high) if low == low else (mean, mean)), int(finished.sum()))
