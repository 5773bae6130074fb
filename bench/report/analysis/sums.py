"""Costs of a label: sums over its sizes and means over its seeds, and how many sizes it shares a part between.

A cost that is not known is NaN, and so is every sum and mean that contains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

SEED = ["method", "seed"]  # what shared parts are counted once for


def fullest_seeds(runs: DataFrame) -> DataFrame:
    """Return the runs of the seeds that have the most sizes of their label."""
    labels, sizes = _numbered(runs, ["method"]), sizes_of(runs, SEED)
    most = np.zeros(len(runs), dtype=int)
    np.maximum.at(most, labels, sizes)
    return runs[sizes == most[labels]]


def for_all_sizes(runs: DataFrame, part: str, columns: list[str]) -> DataFrame:
    """Return what a shared part of each label's cost sums to, mean over seeds: {column} of what serves all sizes, and
    {column}_rest.

    runs: those of the fullest seeds with a row per ancestor (see `apart`), so that what all sizes share is told from
    what each has of its own.
    """
    everywhere = sizes_of(runs, [*SEED, part]) == sizes_of(runs, SEED)
    split = {name: runs[name].where(everywhere, 0.0) for name in columns}
    split |= {f"{name}_rest": runs[name].where(~everywhere, 0.0) for name in columns}
    return mean_of_sums(runs[[*SEED, part]].assign(**split), part, list(split))


def sizes_of(runs: DataFrame, by: list[str]) -> NDArray[np.intp]:
    """Return for each run at how many sizes there are runs that are equal to it in these columns."""
    groups, targets = _numbered(runs, by), _numbered(runs, ["target"])
    pairs = np.unique(groups * len(runs) + targets)
    return np.bincount(pairs // max(len(runs), 1))[groups]


def _numbered(runs: DataFrame, by: list[str], *, sort: bool = False) -> NDArray[np.intp]:
    """The number of each run's group, of those that are equal in these columns: from 0, in the order of their values
    if it is to be sorted."""
    import pandas as pd

    numbers = np.zeros(len(runs), dtype=np.intp)
    for name in by:
        codes, values = pd.factorize(runs[name], sort=sort)
        numbers = np.unique(numbers * len(values) + codes, return_inverse=True)[1]
    return numbers


def mean_of_sums(runs: DataFrame, part: str, columns: list[str]) -> DataFrame:
    """A row per label: the mean over seeds of the sums of each column, each identity of a shared part counted once;
    unknown if any value is."""
    import pandas as pd

    runs = runs[[*SEED, *columns]][~runs.duplicated([*SEED, part])]
    groups, values = _numbered(runs, SEED, sort=True), _apart(runs, columns)
    sums = np.ascontiguousarray(values.groupby(groups).sum().to_numpy().T)
    column, run = values.isna().to_numpy().T.nonzero()
    sums[column, groups[run]] = np.nan
    of_groups = runs["method"].to_numpy()[np.unique(groups, return_index=True)[1]]
    labels, first = np.unique(of_groups, return_index=True)
    parts = zip(labels, np.split(sums, first[1:], axis=1), strict=False)  # without any label there is one, empty
    means = {label: part.mean(axis=1) for label, part in parts}
    return pd.DataFrame.from_dict(means, orient="index", columns=columns, dtype=float)


def sum_of_means(runs: DataFrame, columns: list[str]) -> DataFrame:
    """A row per label: the sum over targets of the means over seeds of each column; unknown if any of these is."""
    import pandas as pd

    targets, values = _numbered(runs, ["target"], sort=True), _apart(runs, columns)
    sums = {}
    for label, rows in runs.groupby("method").indices.items():
        means = values.take(rows).groupby(targets[rows]).mean()
        sums[label] = np.ascontiguousarray(means.to_numpy().T).sum(axis=1)
    return pd.DataFrame.from_dict(sums, orient="index", columns=columns, dtype=float)


def _apart(runs: DataFrame, columns: list[str]) -> DataFrame:
    """Columns as floats, none in one block with another: by which way pandas sums one, and so its rounding, depends on
    whether any of its block is unknown."""
    import pandas as pd

    values = {name: runs[name].to_numpy(dtype=float, na_value=np.nan) for name in columns}
    return pd.DataFrame(values, copy=False)
