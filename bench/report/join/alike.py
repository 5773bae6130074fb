"""Whether two tables have one engine, one data set and one recipe, so that their rows may stand in one table.

An identity is a hash of all that a run depends on, so a run that both have proves that these are the same. Without one
the columns are compared; tables of older versions lack some of them, and then nothing tells.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.sections import own_recipe
from bench.report.join.part import Part
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame

SIZE = ["arch", "embed_dim", "depth", "num_heads", "params", "macs"]
ROUNDING = 0.02  # of the images of an epoch: a part of a batch may be left out


def differences(a: Part, b: Part) -> list[str]:
    """Return in words what is not the same in two parts; empty where nothing is."""
    first, second = (_plain(part.runs) for part in (a, b))
    words = [
        f"{name}: {_some(x)} in {a.source}, {_some(y)} in {b.source}"
        for name, x, y in _facts(first, second)
        if x != y and x and y
    ]
    if not set(a.runs["dataset"]) & set(b.runs["dataset"]):
        words.append(f"data set: {_some(set(a.runs['dataset']))} in {a.source}, {_some(set(b.runs['dataset']))} in "
                     f"{b.source}: no table has both")  # fmt: skip
    if not words and not set(first["run"]) & set(second["run"]) and (unknown := _untold(first, second)):
        tables = " and ".join(part.source for part, runs in ((a, first), (b, second)) if _untold(runs))
        words.append(
            f"{unknown}: not told by {tables}, of an older version, and no run is in both; a label that both have run, "
            "such as random, would tell"
        )
    return words


def sizes(parts: list[Part]) -> list[str]:
    """Return in words which targets have one name and several sizes: no table can have both."""
    import pandas as pd

    rows = pd.concat([part.runs[["dataset", "target", *SIZE]] for part in parts]).drop_duplicates()
    wrong = []
    for (_, name), several in rows.groupby(["dataset", "target"], sort=False):
        varied = [column for column in SIZE if several[column].nunique() > 1]
        words = [f"{column} {_some(set(several[column]))}" for column in varied]
        wrong += [f"target {name} has several sizes: {'; '.join(words)}"] if varied else []
    return wrong


def _plain(runs: DataFrame) -> DataFrame:
    """The runs that train by the suite's own recipe, rather than one that their label changed."""
    return runs[[not own_recipe(options) for options in runs["options"]]]


def _facts(a: DataFrame, b: DataFrame) -> list[tuple[str, set[str], set[str]]]:
    """(what, values in one, in the other); empty sets are not known."""
    facts = [("engine", _values(a, "engine"), _values(b, "engine"))]
    for name in [name for name in dict.fromkeys(a["dataset"]) if name in set(b["dataset"])]:
        x, y = (runs[runs["dataset"] == name] for runs in (a, b))
        facts.append((f"images of {name}", _values(x, "data"), _values(y, "data")))
        if not (facts[-1][1] and facts[-1][2]):
            facts.append((f"training images of {name} in an epoch", *_epochs_of_images(x, y)))
    recipes = _values(a, "recipe"), _values(b, "recipe")
    facts.append(("recipe", *recipes))
    if not all(recipes):
        tuned = any((runs["tune"] != "").any() for runs in (a, b))
        names = ("epochs", "precision", *(() if tuned else ("lr",)))
        facts += [(name, _values(a, name), _values(b, name)) for name in names]
    facts.append(("budget", _values(a, "budget"), _values(b, "budget")))
    return facts


def _values(runs: DataFrame, column: str) -> set[str]:
    return {text for value in runs[column].dropna().unique() if (text := f"{value}") != ""}


def _epochs_of_images(a: DataFrame, b: DataFrame) -> tuple[set[str], set[str]]:
    """Training images of an epoch, by what the runs saw; the same where they are about equal."""
    values = []
    for runs in (a, b):
        per_epoch = (runs["train_images"].astype(float) / runs["epochs"]).replace([np.inf], np.nan).dropna()
        values.append(float(per_epoch.median()) if len(per_epoch) else None)
    x, y = values
    if x is None or y is None or abs(x - y) <= ROUNDING * max(x, y):
        return set(), set()
    return {f"{x:.0f}"}, {f"{y:.0f}"}


def _untold(*tables: DataFrame) -> str:
    """Which of data and recipe one of the tables does not have."""
    names = [name for name in ("data", "recipe") if not all(_values(runs, name) for runs in tables)]
    return " and ".join(names)


def _some(values: set[str]) -> str:
    return few(sorted(map(_short, values)), 3)


def _short(value: object) -> str:
    try:
        pairs = json.loads(str(value))
    except ValueError:
        return str(value)
    return ", ".join(f"{k} {v}" for k, v in pairs.items()) or "the default" if isinstance(pairs, dict) else str(value)
