"""What changed between two tables: which runs are the same, other, new or gone, and how far their numbers moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.report.analysis.statistics import intervals
from bench.report.format import interval, one_line
from bench.report.join.labels import CELL, NUMBERS
from bench.report.join.part import kinds
from bench.report.tables.model import Cell, Table
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame

STATES = ("same", "other numbers", "other", "new", "gone")
FACTS = ("engine", "torch", "timm", "git_sha", "recipe", "data")
LONG = 24  # characters of a value that are shown


def changes(old: DataFrame, new: DataFrame) -> DataFrame:
    """Return a row per label: finished runs in each of STATES, and new minus old of top-1 over `n` seeds (mean over the
    targets that both have finished for all of these), with its 95% interval.

    Runs are matched by data set, label, target and seed. same: identity and numbers are; other numbers: the identity
    alone is; other: neither is; new and gone: only one table has finished it.
    """
    import pandas as pd

    keys = [*CELL, "method"]
    columns = [*keys, "run", *NUMBERS]
    pair = [runs.loc[runs["status"] == "done", columns] for runs in (old, new)]
    both = pair[0].merge(pair[1], on=keys, how="outer", suffixes=("_old", "_new"), indicator="where")
    equal = both["run_old"] == both["run_new"]
    numbers = np.logical_and.reduce(
        [(both[f"{n}_old"] == both[f"{n}_new"]) | (both[f"{n}_old"].isna() & both[f"{n}_new"].isna()) for n in NUMBERS]
    )
    one_side = both["where"].astype(str).map({"left_only": "gone", "right_only": "new", "both": ""})
    both["state"] = one_side.mask(
        one_side == "", np.where(equal & numbers, "same", np.where(equal, "other numbers", "other"))
    )
    both["difference"] = both["top1_new"] - both["top1_old"]
    order = list(dict.fromkeys([*old["method"], *new["method"]]))
    rows = []
    for label in [label for label in order if label in set(both["method"])]:
        runs = both[both["method"] == label]
        states = runs["state"].value_counts()
        n, mean, low, high = _moved(runs)
        rows.append([label, *(int(states.get(state, 0)) for state in STATES), n, mean, low, high])
    return pd.DataFrame(rows, columns=["method", *STATES, "n", "difference", "low", "high"])


def _moved(runs: DataFrame) -> tuple[int, float, float, float]:
    table = runs.pivot_table(index="seed", columns=["dataset", "target"], values="difference").dropna()
    if table.empty:
        return 0, float("nan"), float("nan"), float("nan")
    values = intervals(table.mean(axis=1).to_numpy()[:, None], bootstrap=False)
    return len(table), float(values.mean[0]), float(values.low[0]), float(values.high[0])


def facts(old: DataFrame, new: DataFrame) -> list[str]:
    """Return in words what else differs: devices, versions, recipes."""
    done = [runs[runs["status"] == "done"] for runs in (old, new)]
    values = {"device": [set(kinds(runs)) for runs in done]}
    values |= {name: [{str(v) for v in runs[name].dropna() if v != ""} for runs in done] for name in FACTS}
    differ = {name: (a, b) for name, (a, b) in values.items() if a and b and a != b}
    return [one_line(f"{name}: {_some(a)} in old, {_some(b)} in new") for name, (a, b) in differ.items()]


def _some(values: set[str]) -> str:
    shown = [value if len(value) <= LONG else f"{value[:LONG]}…" for value in sorted(values)]
    return few(shown, 3)


def table(frame: DataFrame, notes: list[str]) -> Table:
    """Return the table of `changes`."""
    rows = []
    for row in frame.to_dict("records"):
        moved = interval(row["difference"], row["low"], row["high"], digits=2)
        texts = [one_line(row["method"]), *(str(row[state]) for state in STATES), moved, str(row["n"])]
        rows.append([Cell(text) for text in texts])
    caption = (
        "Finished runs, matched by data set, label, target and seed. same: identity and numbers; other numbers: the "
        "identity alone; other: neither. new minus old: test top-1 in points, paired by seed, mean over the targets "
        "that both have, with its 95% interval over n seeds."
    )
    return Table("what changed", ["method", *STATES, "new minus old", "n"], rows, caption, notes)
