"""Results that papers state, as data: only those that were read in the source itself, each with its conditions.

They are marks beside ours where the setting is the same, never mixed with them.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

    from bench.report.analysis.sections import Section


@cache
def published() -> DataFrame:
    """Return columns method, arch, embed_dim, depth, dataset, metric, value, epochs, conditions, source."""
    import pandas as pd

    with files("bench.report.analysis").joinpath("published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def matching(section: Section) -> DataFrame:
    """Return the published top-1 of settings that this section has: same method, architecture, width, depth, data,
    epochs."""
    ours = section.runs[["method", "method_use", "control", "arch", "embed_dim", "depth", "epochs"]].drop_duplicates()
    ours = ours[(ours["control"] == "") & (ours["method"] == ours["method_use"])].drop(
        columns=["method_use", "control"]
    )
    theirs = published().query("metric == 'top1'")
    theirs = theirs[theirs["dataset"].map(one_spelling) == one_spelling(section.dataset)]
    keys = ["method", "arch", "embed_dim", "depth", "epochs"]
    numbers = dict.fromkeys(keys[2:], "float64")
    return theirs.astype(numbers).merge(ours.astype(numbers), on=keys)


def one_spelling(dataset: str) -> str:
    """Return one spelling of a data set's name: "ImageNet-1k" and "imagenet" are the same."""
    name = re.sub(r"[^a-z0-9]", "", str(dataset).lower())
    return {"imagenet1k": "imagenet", "in1k": "imagenet", "ilsvrc2012": "imagenet"}.get(name, name)
