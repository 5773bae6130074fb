"""cost.csv: what a method costs for all sizes of a section, and what it stores. Shared cost is counted once.

total = ancestor (once per identity) + learngene (once per identity) + sum over sizes of (initialisation + training),
for one seed; the figures are means over seeds. A cost that is not known (an ancestor that came as a checkpoint)
stays unknown, and so does every total that contains it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.report.columns import STAGES
from bench.report.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame, Series

UNITS = ("flops", "images", "device_hours", "energy_joules")
SHARED = ("ancestor", "learngene")
BYTES = 4  # of a parameter of a trained model that would be stored instead


def with_units(runs: DataFrame) -> DataFrame:
    """The runs with a column {stage}_{unit} for every stage and unit; 0 for shared stages that a run does not have.

    Device-hours are wall time x devices used / workers that shared the device. On the CPU a device is a core: each
    worker has its own, so nothing is shared, and a run uses as many as it has threads.
    """
    columns = {}
    on_cpu = runs["device"].eq("cpu")
    used = runs["threads"].fillna(1).where(on_cpu, runs["devices"].fillna(1)).astype(float)
    own = runs["workers_on_device"]
    for stage in STAGES:
        workers = runs.get(f"{stage}_workers", own).fillna(own).fillna(1).mask(on_cpu, 1).astype(float)
        columns[f"{stage}_device_hours"] = runs[f"{stage}_seconds"] * used / workers / 3600
        energy = "energy_joules" if stage == "train" else f"{stage}_energy_joules"
        columns[f"{stage}_energy_joules"] = runs[energy]
        columns[f"{stage}_images"] = runs[f"{stage}_images"].astype(float)
        columns[f"{stage}_flops"] = runs[f"{stage}_flops"]
    frame = runs.assign(**columns)
    for stage in SHARED:
        without = frame[stage] == ""
        for unit in UNITS:
            frame[f"{stage}_{unit}"] = frame[f"{stage}_{unit}"].mask(without, 0.0)
    return frame


def totals(section: Section) -> DataFrame:
    """A row per method with finished runs: sizes and seeds it covers; per unit its parts and totals; storage.

    Columns {unit}_{stage}, {unit}_total, {unit}_total_without_ancestor for units flops, images, device_hours,
    energy_joules; distinct `ancestors` and `learngenes` per seed; stored_* over the distinct learngenes, and
    models_* for storing one trained model per size (4 bytes a parameter).
    """
    import pandas as pd

    done = with_units(section.done)
    rows = [_of_method(method, done[done["method"] == method]) for method in section.methods]
    frame = pd.DataFrame([row for row in rows if row])
    frame.insert(0, "suite", section.suite)
    frame.insert(1, "dataset", section.dataset)
    return frame


def _of_method(method: str, runs: DataFrame) -> dict[str, Any]:
    if runs.empty:
        return {}
    per_seed = runs.groupby("seed")["target"].nunique()
    fullest = runs[runs["seed"].isin(per_seed.index[per_seed == per_seed.max()])]  # seeds that have the most sizes
    distinct = {stage: fullest.drop_duplicates(["seed", stage]) for stage in SHARED}
    sizes = runs.drop_duplicates("target")
    row: dict[str, Any] = {"method": method, "targets": len(sizes), "n": len(per_seed)}
    row |= {f"{stage}s": _distinct(distinct[stage], stage) for stage in SHARED}
    own = [s for s in STAGES if s not in SHARED]
    known = runs.groupby("target")[[f"{s}_{u}" for s in own for u in UNITS]].mean().sum(skipna=False)
    costs = {s: _mean_of_sums(distinct[s], [f"{s}_{u}" for u in UNITS]) for s in SHARED}
    costs |= dict.fromkeys(own, known)
    for unit in UNITS:
        parts = {stage: float(costs[stage][f"{stage}_{unit}"]) for stage in STAGES}
        row |= {f"{unit}_{stage}": value for stage, value in parts.items()}
        row[f"{unit}_total"] = sum(parts.values())
        row[f"{unit}_total_without_ancestor"] = sum(v for s, v in parts.items() if s != "ancestor")
    row |= _mean_of_sums(distinct["learngene"], ["stored_params", "stored_params_head", "stored_bytes"])
    row["models_params"] = float(sizes["params"].astype(float).sum(skipna=False))
    row["models_bytes"] = BYTES * row["models_params"]
    stored = row["stored_params"] + row["stored_params_head"]
    row["storage_ratio"] = row["models_params"] / stored if stored else float("nan")
    return row


def _distinct(runs: DataFrame, stage: str) -> int:
    """The number of identities that one seed needs."""
    return int(runs[runs[stage] != ""].groupby("seed")[stage].nunique().max()) if (runs[stage] != "").any() else 0


def _mean_of_sums(runs: DataFrame, columns: list[str]) -> Series:
    """Mean over seeds of the sums of each column; unknown if any value is."""
    groups = runs[columns].astype(float).groupby(runs["seed"])
    known = groups.count().eq(groups.size(), axis=0)
    return groups.sum().where(known).mean(skipna=False)
