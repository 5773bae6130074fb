"""cost.csv: what a method costs for all sizes of a section, and what it stores. Shared cost is counted once.

total = ancestor + learngene + tuning (each once per identity) + sum over sizes of (initialisation + training), for
one seed; the figures are means over seeds. A cost that is not known (an ancestor that came as a checkpoint) stays
unknown, and so does every total that contains it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.report.analysis.sections import Section, by_label, once

if TYPE_CHECKING:
    from pandas import DataFrame, Series

KEYS = (
    "run",
    "method",
    "target",
    "seed",
    "epochs",
    "top1",
    "top1_init",
    "params",
    "train_seconds",
)  # of a run, beside its costs
UNITS = ("flops", "images", "device_hours", "energy_joules")
SHARED = ("ancestor", "learngene", "tuning")
OWN = ("init", "train")
PARTS = SHARED + OWN  # of a total, in the order of the work
WITHOUT = ("ancestor", "tuning")  # parts that there is a total without
OF_RUN = {"workers_on_device": "workers", "devices": "devices"}  # column of a run -> the same of a part, {part}_...
STORED = ("stored_params", "stored_params_head", "stored_bytes")
BYTES = 4  # of a parameter of a trained model that would be stored instead


def with_units(runs: DataFrame) -> DataFrame:
    """Return the runs with a column {part}_{unit} for every part and unit; 0 for shared parts that a run does not have.

    Device-hours are wall time x devices used / workers that shared the device. On the CPU a device is a core: each
    worker has its own, so nothing is shared, and each of its processes uses as many as it has threads. Energy is what
    the devices tell, which is of all their workers: it is divided by them in the same way.
    """
    columns = {}
    on_cpu = runs["device"].eq("cpu")
    for part in PARTS:
        workers, devices = (_used(runs, part, column, what) for column, what in OF_RUN.items())
        workers = workers.mask(on_cpu, 1)
        used = devices * runs["threads"].fillna(1).astype(float).where(on_cpu, 1)
        columns[f"{part}_device_hours"] = runs[f"{part}_seconds"] * used / workers / 3600
        energy = "energy_joules" if part == "train" else f"{part}_energy_joules"
        columns[f"{part}_energy_joules"] = runs[energy] / workers
        columns[f"{part}_images"] = runs[f"{part}_images"].astype(float)
        columns[f"{part}_flops"] = runs[f"{part}_flops"]
    frame = runs.assign(**columns)
    absent = {part: frame[part] == "" for part in SHARED}
    absent["tuning"] &= frame["tune"] == ""  # tuned by runs that are not named: their cost is not known
    for part, without in absent.items():
        for unit in UNITS:
            frame[f"{part}_{unit}"] = frame[f"{part}_{unit}"].mask(without, 0.0)
    return frame


def _used(runs: DataFrame, part: str, column: str, what: str) -> Series:
    """How many workers or devices a part of the cost had: the run's own number where the part says none, else 1."""
    return runs.get(f"{part}_{what}", runs[column]).fillna(runs[column]).fillna(1).astype(float)


@once
def paid(section: Section) -> DataFrame:
    """Return the section's finished runs and all of their costs (see `with_units`), without other columns."""
    costs = [f"{part}_{unit}" for part in PARTS for unit in UNITS]
    return with_units(section.done)[[*KEYS, *SHARED, *STORED, *costs]]


@once
def paid_apart(section: Section) -> DataFrame:
    """Return what `paid` does, with a row for each ancestor (see `apart`)."""
    each = apart(section.done)
    if each is section.done:
        return paid(section)
    costs = [f"{part}_{unit}" for part in PARTS for unit in UNITS]
    return with_units(each)[[*KEYS, *SHARED, *STORED, *costs]]


def totals(section: Section) -> DataFrame:
    """Return a row per method with finished runs: sizes and seeds it covers; per unit its parts and totals; storage.

    Columns {unit}_{part}, {unit}_total, {unit}_total_without_ancestor and {unit}_total_without_tuning for units flops,
    images, device_hours, energy_joules; distinct `ancestors` (or sets of them), `learngenes` and `tunings` per seed;
    stored_* over the distinct learngenes, and models_* for storing one trained model per size (4 bytes a parameter).
    """
    import pandas as pd

    runs, each = by_label(paid(section)), by_label(paid_apart(section))
    frame = pd.DataFrame([_of_method(m, runs[m], each[m]) for m in section.methods if m in runs])
    frame.insert(0, "suite", section.suite)
    frame.insert(1, "dataset", section.dataset)
    return frame


def apart(runs: DataFrame) -> DataFrame:
    """Return the runs with a row for each of their ancestors, where these are several and each one's cost is known:
    sizes may share one of them and not the others."""
    import pandas as pd

    several = runs["ancestor_each"] != ""
    if not several.any():
        return runs
    rows = [
        row | cost | {"ancestor": id}
        for row in runs[several].to_dict("records")
        for id, cost in json.loads(row["ancestor_each"]).items()
    ]
    return pd.concat([runs[~several], pd.DataFrame(rows)[list(runs)].astype(runs.dtypes)])


def _of_method(method: str, runs: DataFrame, each: DataFrame) -> dict[str, Any]:
    """each: the same runs with a row per ancestor (see `apart`)."""
    fullest = fullest_seeds(runs)
    distinct = {part: fullest.drop_duplicates(["seed", part]) for part in SHARED}
    sizes = runs.drop_duplicates("target")
    row: dict[str, Any] = {"method": method, "targets": len(sizes), "n": runs["seed"].nunique()}
    row |= {f"{part}s": _distinct(distinct[part], part) for part in SHARED}
    per_size = runs.groupby("target")[[f"{p}_{u}" for p in OWN for u in UNITS]].mean().sum(skipna=False)
    once = distinct | {"ancestor": each[each["seed"].isin(fullest["seed"])].drop_duplicates(["seed", "ancestor"])}
    costs = {p: _mean_of_sums(once[p], [f"{p}_{u}" for u in UNITS]) for p in SHARED} | dict.fromkeys(OWN, per_size)
    for unit in UNITS:
        parts = {part: float(costs[part][f"{part}_{unit}"]) for part in PARTS}
        row |= {f"{unit}_{part}": value for part, value in parts.items()}
        row[f"{unit}_total"] = sum(parts.values())
        for left_out in WITHOUT:
            row[f"{unit}_total_without_{left_out}"] = sum(v for p, v in parts.items() if p != left_out)
    row |= _mean_of_sums(distinct["learngene"], list(STORED))
    row["models_params"] = float(sizes["params"].astype(float).sum(skipna=False))
    row["models_bytes"] = BYTES * row["models_params"]
    stored = row["stored_params"] + row["stored_params_head"]
    row["storage_ratio"] = row["models_params"] / stored if stored else float("nan")
    return row


def fullest_seeds(runs: DataFrame) -> DataFrame:
    """Return one method's runs of the seeds that have the most sizes."""
    per_seed = runs.groupby("seed")["target"].nunique()
    return runs[runs["seed"].isin(per_seed.index[per_seed == per_seed.max()])]


def for_all_sizes(runs: DataFrame, part: str, columns: list[str]) -> tuple[Series, Series]:
    """Return what a shared part of one method's cost sums to, mean over seeds: (of what serves all sizes, of the rest).

    runs: those of the fullest seeds with a row per ancestor (see `apart`), so that what all sizes share is told from
    what each has of its own.
    """
    shared = runs[["seed", part, "target", *columns]]
    sizes, served = (shared.groupby(by)["target"].transform("nunique") for by in ("seed", ["seed", part]))
    values, once = shared[columns].astype(float), ~shared.duplicated(["seed", part])
    every, rest = (
        _mean_of_sums(values.where(chosen, 0.0).assign(seed=shared["seed"])[once], columns)
        for chosen in (served == sizes, served != sizes)
    )
    return every, rest


def _distinct(runs: DataFrame, part: str) -> int:
    """The number of identities that one seed needs."""
    return int(runs[runs[part] != ""].groupby("seed")[part].nunique().max()) if (runs[part] != "").any() else 0


def _mean_of_sums(runs: DataFrame, columns: list[str]) -> Series:
    """Mean over seeds of the sums of each column; unknown if any value is."""
    groups = runs[columns].astype(float).groupby(runs["seed"])
    known = groups.count().eq(groups.size(), axis=0)
    return groups.sum().where(known).mean(skipna=False)
