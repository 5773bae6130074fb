"""summary.csv: a row per method x target x data set, with n, mean, standard deviation and 95% interval over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.sections import Section, finished_first
from bench.report.analysis.statistics import FEW, intervals

if TYPE_CHECKING:
    from pandas import DataFrame

METRICS = ("top1", "best_top1", "top1_init", "top5", "loss")
CELL = ["method", "target"]
MADE_ONCE = "given one learngene"
FIRST = ["method_use", "options", "needs", "stored_params", "stored_params_head", "stored_bytes", "epochs"]
FIRST += ["head", "budget", "control"]


def summarise(section: Section) -> DataFrame:
    """Return one row per method and target of a section: what it is, how many runs are in which state, every metric.

    For each metric m of METRICS: m_mean, m_std, m_low, m_high; `interval` says how low and high were computed, `note`
    what limits them, `runs` which runs they are made of.
    """
    import pandas as pd

    cells = pd.MultiIndex.from_product([section.targets, section.methods], names=CELL[::-1])
    frame = _counts(section).reindex(cells)
    seeds = len(section.seeds)
    n = np.zeros(len(cells), dtype=int)
    columns: dict[str, Any] = {}
    for metric in METRICS:
        values = intervals(section.scores(metric).reshape(seeds, -1))
        columns |= {f"{metric}_{part}": getattr(values, part) for part in ("mean", "std", "low", "high")}
        if metric == "top1":
            n, columns["interval"] = values.n, values.method
    frame = frame.assign(**columns)
    frame.insert(0, "n", n)
    frame = frame[frame["planned"].notna()]
    frame["note"] = [_note(n, once) for n, once in zip(frame["n"], frame["once"], strict=True)]
    sizes = section.sizes.reset_index()
    frame = frame.reset_index().merge(sizes, on="target", how="left").merge(_first(section), on=CELL, how="left")
    frame.insert(0, "suite", section.suite)
    frame.insert(1, "dataset", section.dataset)
    front = ["suite", "dataset", "method", "method_use", "target", *sizes.columns[1:], *FIRST[1:], "planned", "n"]
    rest = [c for c in frame if c not in front and c not in ("runs", "once")]
    return frame[[*front, *rest, "runs"]]


def _counts(section: Section) -> DataFrame:
    """Per method and target: planned runs, those of each unfinished state, their reasons, and the ids of the rest."""
    import pandas as pd

    runs = section.runs
    states = {
        "planned": True,
        "failed": runs["status"] == "failed",
        "skipped": runs["status"] == "skipped",
        "missing": runs["status"].isin(["pending", "running", "interrupted"]),
        "once": (runs["replicate"] == "run") & (runs["stored_params"].to_numpy(dtype=float, na_value=np.nan) > 0),
    }
    frame = pd.DataFrame(states).groupby([runs[name] for name in CELL[::-1]], sort=False).sum()
    frame["once"] = frame["once"] > 0
    why = runs["reason"].where(runs["status"] != "done", "").where(runs["reason"] != "", runs["error"])
    reasons = _gathered(runs[CELL].assign(why=why)[why != ""], "why")
    ids = _gathered(section.done, "run")
    frame.insert(4, "reasons", ["; ".join(dict.fromkeys(reasons.get(cell, ()))) for cell in frame.index])
    return frame.assign(runs=[" ".join(ids.get(cell, ())) for cell in frame.index])


def _gathered(runs: DataFrame, column: str) -> dict[tuple[str, str], list[str]]:
    """(target, method) -> what its runs have in a column of text, in their order."""
    texts: dict[tuple[str, str], list[str]] = {}
    for target, method, text in runs[["target", "method", column]].to_numpy():
        texts.setdefault((target, method), []).append(text)
    return texts


def _first(section: Section) -> DataFrame:
    """What is the same for all seeds of a cell, from its first finished run, else from its first run."""
    return finished_first(section.runs[["status", *CELL, *FIRST]]).drop_duplicates(CELL)[[*CELL, *FIRST]]


def _note(n: int, once: bool) -> str:
    notes = [f"too few seeds ({n} < {FEW})"] if 0 < n < FEW else []
    return "; ".join([*notes, MADE_ONCE] if once and n else notes)
