"""What a reader must be warned of: mixtures of code or hardware, few seeds, what is not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.analysis.families import cannot
from bench.report.analysis.statistics import ENOUGH, FEW
from bench.report.analysis.tuning import edge
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# column -> what it means for the numbers when it differs between the runs of one suite
MIXTURES = {
    "git_sha": "code versions",
    "engine": "versions of the training semantics (results of different ones are not comparable)",
    "torch": "versions of torch",
    "timm": "versions of timm",
    "python": "versions of Python",
    "device": "kinds of device",
    "device_name": "device models (accuracies may differ by more than their intervals; compare FLOPs, not times)",
    "host": "machines",
    "precision": "precisions",
    "threads": "numbers of threads (compare FLOPs, not times)",
    "replicate": "settings of replicate",
    "eval": "ways to evaluate",
}
SHOWN = 4


def warnings_of(runs: DataFrame) -> list[str]:
    """Return one sentence per thing that limits what the numbers mean."""
    if runs.empty:
        return ["there is no run at all"]
    return [w for suite, group in runs.groupby("suite", sort=False) for w in _of_suite(str(suite), group)]


def _of_suite(suite: str, runs: DataFrame) -> list[str]:
    done = runs[runs["status"] == "done"]
    cautions = [*_states(runs), *_seeds(done)]
    twice = int(done.duplicated(["dataset", "method", "target", "seed"]).sum())
    if twice:
        cautions.append(f"{twice} runs have the same method, target and seed as another one: the last of them counts")
    for source, n in runs.loc[runs["source"] != "", "source"].value_counts(sort=False).items():
        cautions.append(f"joined: {n} of {len(runs)} runs are from {source}")
    for column, what in MIXTURES.items():
        values = [str(v) for v in done[column].dropna().unique() if v != ""]
        if len(values) > 1:
            cautions.append(f"mixed {what}: {few(values, SHOWN)}")
    if done["git_dirty"].fillna(False).any():
        cautions.append(f"{int(done['git_dirty'].fillna(False).sum())} runs by code that differed from its commit")
    shared = done.loc[done["device"] != "cpu", "workers_on_device"].dropna().unique()
    if len(shared) > 1:
        cautions.append(
            f"mixed numbers of workers on a device: {few(sorted(map(str, shared)), SHOWN)}; compare FLOPs, not times"
        )
    if ((done["replicate"] == "run") & done["stored_params"].gt(0).fillna(False)).any():
        cautions.append(
            "ancestor and learngenes were made once: intervals are over training seeds, given one learngene"
        )
    unmet = int(heads_left_behind(done).sum())
    if unmet:
        cautions.append(
            f"{unmet} runs have a fresh head although head: transfer was wished for: the classes of what they start "
            "from are others, or not known to be theirs (`classes: same` of an ancestor says so)"
        )
    uncounted = done.loc[done["unmetered"].fillna(0) > 0, "method"]
    if len(uncounted):
        labels = few(list(dict.fromkeys(uncounted)), SHOWN)
        cautions.append(f"{labels}: some forward passes were on no meter; their FLOPs are missing in the costs")
    unnamed = int(((done["tune"] != "") & (done["tuning"] == "")).sum())
    if unnamed:
        cautions.append(f"{unnamed} runs have a tuned learning rate but do not say by which runs: cost unknown")
    chosen = done[["dataset", "method", "tune", "lr"]][done["tune"] != ""]
    chosen = chosen.drop_duplicates(["dataset", "method", "tune"])
    at_edge = [
        f"{row['method']} ({row['lr']:g}, the {side} tried)"
        for row in chosen.to_dict("records")
        if (side := edge(row["tune"]))
    ]
    if at_edge:
        some = few(at_edge, SHOWN)
        cautions.append(f"learning rates at the edge of their grid, beyond which better ones may lie: {some}")
    free = int(((done["ancestor"] != "") & done["ancestor_flops"].isna()).sum())
    if free:
        cautions.append(f"{free} runs have an ancestor from elsewhere, of unknown cost: totals are without it, '+ ?'")
    return [f"{suite}: {text}" for text in cautions]


def heads_left_behind(runs: DataFrame) -> Series:
    """Return for each run whether its head stayed fresh although it was stored, and wished to transfer."""
    stored = runs["stored_params_head"].fillna(0) > 0
    return (runs["head"] == "transfer") & (runs["head_used"] == "fresh") & stored


def _states(runs: DataFrame) -> list[str]:
    states = runs.loc[~cannot(runs), "status"]
    counts = states.value_counts()
    shown = [f"{counts[s]} {s}" for s in ("failed", "interrupted", "running", "pending", "skipped") if s in counts]
    return (
        [f"{len(states) - counts.get('done', 0)} of {len(states)} runs are not done: {', '.join(shown)}"]
        if shown
        else []
    )


def _seeds(done: DataFrame) -> list[str]:
    cells = ["dataset", "target", "method"]
    n = done[[*cells, "seed"]].drop_duplicates()[cells].value_counts()
    too_few, some = int((n < FEW).sum()), int(((n >= FEW) & (n < ENOUGH)).sum())
    cautions = []
    if too_few:
        cautions.append(
            f"TOO FEW SEEDS: {too_few} of {len(n)} cells have fewer than {FEW}, so nothing is claimed about them"
        )
    if some:
        cautions.append(
            f"FEW SEEDS: {some} of {len(n)} cells have fewer than {ENOUGH}. Their intervals and claims assume normal "
            "scatter, which so few cannot show, and small differences stay hidden"
        )
    return cautions
