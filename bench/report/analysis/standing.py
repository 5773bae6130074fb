"""How methods stand over all cells of a suite: ranks with a critical difference, interquartile mean, profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.ranking import Ranking, ranking
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import Intervals, interquartile_mean, intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Standing:
    """Over the cells (data set x target) that all compared methods have finished.

    Methods that serve fewer cells than others are left out, since a mean or rank over other cells is no comparison.
    `iqm`: interquartile mean over the cells, taken for each seed; mean and interval over seeds.
    """

    suite: str
    methods: list[str]
    left_out: list[str]
    cells: list[tuple[str, str]]  # (data set, target)
    every_cell: list[tuple[str, str]]  # of the suite
    scores: NDArray  # [seeds, cells, methods]
    ranking: Ranking | None
    iqm: Intervals
    blocks: int = 1

    def frame(self) -> DataFrame:
        """Return ranking.csv: a row per method."""
        import pandas as pd

        return pd.DataFrame(
            {
                "suite": self.suite,
                "method": self.methods,
                "cells": len(self.cells),
                "mean_rank": self.ranking.ranks if self.ranking else np.nan,
                "friedman_p": self.ranking.p if self.ranking else np.nan,
                "critical_difference": self.ranking.critical_difference if self.ranking else np.nan,
                "n": self.iqm.n,
                "iqm_mean": self.iqm.mean,
                "iqm_low": self.iqm.low,
                "iqm_high": self.iqm.high,
                "interval": self.iqm.method,
            }
        )


def standing(sections: list[Section], metric: str = "top1") -> Standing:
    """Return the standing over all sections of one suite."""
    every = list(dict.fromkeys(method for section in sections for method in section.methods))
    seeds = sorted({seed for section in sections for seed in section.seeds})
    names = [(section.dataset, target) for section in sections for target in section.targets]
    scores = np.full((len(seeds), len(names), len(every)), np.nan)
    start = 0
    for section in sections:
        rows = [seeds.index(seed) for seed in section.seeds]
        columns = range(start, start + len(section.targets))
        scores[np.ix_(rows, columns, [every.index(m) for m in section.methods])] = section.scores(metric)
        start += len(section.targets)
    served = ~np.isnan(scores).all(axis=0)  # [cells, methods]
    compared = (served.sum(axis=0) == served.sum(axis=0).max()) & served.any(axis=0)
    complete = served[:, compared].all(axis=1) & compared.any()
    scores = scores[:, complete][:, :, compared]
    means = np.nanmean(scores, axis=0) if scores.size else np.empty(scores.shape[1:])
    blocks = max(len(section.blocks) for section in sections)  # ranks over several would be of kinds of device, too
    per_seed = interquartile_mean(scores.transpose(0, 2, 1)) if scores.size else np.empty((0, scores.shape[2]))
    return Standing(
        suite=sections[0].suite,
        methods=[m for m, k in zip(every, compared, strict=True) if k],
        left_out=[m for m, k in zip(every, compared, strict=True) if not k],
        cells=[name for name, c in zip(names, complete, strict=True) if c],
        every_cell=names,
        scores=scores,
        ranking=ranking(means) if blocks == 1 else None,
        iqm=intervals(per_seed),
        blocks=blocks,
    )
