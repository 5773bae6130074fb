"""Which labels of several parts are one: those whose runs are the same, by identity and by number.

A label of another identity, or whose runs have other numbers, is kept apart, and both are named after their source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.report.join.part import Part, kinds

if TYPE_CHECKING:
    from pandas import DataFrame

NUMBERS = ["top1_init", "top1", "top5", "best_top1", "loss"]  # equal where runs of one identity are equal
CELL = ["dataset", "target", "seed"]


@dataclass(eq=False)
class JoinedLabel:
    """A label of the joined table: its rows, and which parts it is from, with what it is called there."""

    label: str
    part: Part
    rows: DataFrame
    parts: dict[Part, str] = field(default_factory=dict)
    name: str = ""


def unite(settings: dict[Part, int]) -> tuple[list[JoinedLabel], list[str]]:
    """Return the labels of all parts with their new names, in the order of the parts, and what has to be said.

    settings: of each part; runs of several settings are never one label's.
    """
    entries: list[JoinedLabel] = []
    notes: list[str] = []
    for part, setting in settings.items():
        for label, rows in part.runs.groupby("method", sort=False):
            rows = rows.assign(source=part.source + (" (own)" if part.is_own else ""))
            near = [e for e in entries if part not in e.parts and settings[e.part] == setting]
            same = [entry for entry in near if _shared(entry.rows, rows)]
            if len(same) == 1 and not _apart(same[0].rows, rows):
                _add(same[0], part, str(label), rows, notes)
                continue
            for entry in same or [entry for entry in entries if entry.label == label]:
                why = _apart(entry.rows, rows) or "none of its runs is in both"
                notes.append(f"{label}: {why} ({entry.part.source}, {part.source}): kept apart")
            entries.append(JoinedLabel(str(label), part, rows, {part: str(label)}))
    labels = [entry.label for entry in entries]
    for entry in entries:
        entry.name = f"{entry.label}@{entry.part.source}" if labels.count(entry.label) > 1 else entry.label
    return entries, notes


def _add(entry: JoinedLabel, part: Part, label: str, rows: DataFrame, notes: list[str]) -> None:
    import pandas as pd

    ids = set(entry.rows["run"])
    finished = set(rows.loc[rows["status"] == "done", "run"]) - set(
        entry.rows.loc[entry.rows["status"] == "done", "run"]
    )
    old = entry.rows[~entry.rows["run"].isin(finished & ids)]
    new = rows[~rows["run"].isin(ids - finished)]
    entry.rows = pd.concat([old, new]) if len(old) and len(new) else (old if len(old) else new)
    entry.parts[part] = label
    notes.append(f"{len(ids & set(rows['run']))} runs of {entry.label} are in {entry.part.source} and {part.source}: "
                 f"shown once{'' if label == entry.label else f'; {part.source} calls it {label}'}")  # fmt: skip


def _shared(a: DataFrame, b: DataFrame) -> bool:
    return bool(set(a["run"]) & set(b["run"]))


def _apart(a: DataFrame, b: DataFrame) -> str:
    """Why rows that share runs, or a label, are not of one label; empty where they are."""
    cells = a[[*CELL, "run"]].merge(b[[*CELL, "run"]], on=CELL)
    other = int((cells["run_x"] != cells["run_y"]).sum())
    if other:
        return f"{other} runs of another identity at the same sizes and seeds"
    done = [rows.loc[rows["status"] == "done", ["run", *NUMBERS]].set_index("run") for rows in (a, b)]
    both = done[0].index.intersection(done[1].index)
    x, y = (rows.loc[both] for rows in done)
    changed = int((~((x == y) | (x.isna() & y.isna())).all(axis=1)).sum())
    if changed:
        return f"{changed} of {len(both)} runs of the same identity have other numbers"
    one_kind = len({*kinds(a[a["status"] == "done"]), *kinds(b[b["status"] == "done"])}) < 2
    return "" if len(both) or one_kind else "no run is done in both, on different kinds of device"
