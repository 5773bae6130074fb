"""cost.csv: what a method costs for all sizes of a section, and what it stores. Shared cost is counted once.

total = ancestor + learngene + tuning (each once per identity) + sum over sizes of (initialisation + training), for
one seed; the figures are means over seeds. A cost that is not known (an ancestor that came as a checkpoint) stays
unknown, and so does every total that contains it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
SEED = ["method", "seed"]  # what shared parts are counted once for
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

    costs, sizes = _costs(section), paid(section).drop_duplicates(["method", "target"])
    rows = [_row(str(method), mine, costs) for method, mine in sizes.groupby("method", sort=False)]
    order = {method: place for place, method in enumerate(section.methods)}
    frame = pd.DataFrame(sorted(rows, key=lambda row: order[row["method"]]))
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


def _costs(section: Section) -> dict[str, dict[str, Any]]:
    """Label -> {part}_{unit} over all sizes, mean over seeds; what is stored; numbers of seeds and of identities."""
    import pandas as pd

    runs, each = paid(section), paid_apart(section)
    fullest = fullest_seeds(runs)
    shared = {part: fullest.drop_duplicates([*SEED, part]) for part in SHARED}
    of_fullest = pd.MultiIndex.from_frame(each[SEED]).isin(pd.MultiIndex.from_frame(fullest[SEED].drop_duplicates()))
    counted = shared | {"ancestor": each[of_fullest].drop_duplicates([*SEED, "ancestor"])}
    columns = {part: [f"{part}_{unit}" for unit in UNITS] for part in PARTS}
    own = [name for part in OWN for name in columns[part]]
    frames = [
        *(_mean_of_sums(counted[part], columns[part]) for part in SHARED),
        _reduced(by_label(runs), lambda rows: rows.groupby("target")[own].mean().sum(skipna=False), own),
        _mean_of_sums(shared["learngene"], list(STORED)),
        runs.groupby("method")["seed"].nunique().rename("n"),
        *(_distinct(shared[part], part).rename(f"{part}s") for part in SHARED),
    ]
    return pd.concat(frames, axis=1).to_dict("index")


def _row(method: str, sizes: DataFrame, costs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """sizes: a run of the method for each of its targets."""
    known = costs[method]
    row: dict[str, Any] = {"method": method, "targets": len(sizes), "n": int(known["n"])}
    row |= {f"{part}s": int(n) if (n := known[f"{part}s"]) == n else 0 for part in SHARED}
    for unit in UNITS:
        parts = {part: known[f"{part}_{unit}"] for part in PARTS}
        row |= {f"{unit}_{part}": value for part, value in parts.items()}
        row[f"{unit}_total"] = sum(parts.values())
        for left_out in WITHOUT:
            row[f"{unit}_total_without_{left_out}"] = sum(v for p, v in parts.items() if p != left_out)
    row |= {name: known[name] for name in STORED}
    row["models_params"] = float(sizes["params"].astype(float).sum(skipna=False))
    row["models_bytes"] = BYTES * row["models_params"]
    stored = row["stored_params"] + row["stored_params_head"]
    row["storage_ratio"] = row["models_params"] / stored if stored else float("nan")
    return row


def fullest_seeds(runs: DataFrame) -> DataFrame:
    """Return the runs of the seeds that have the most sizes of their label."""
    sizes = runs.groupby(SEED)["target"].transform("nunique")
    return runs[sizes == sizes.groupby(runs["method"]).transform("max")]


def for_all_sizes(runs: DataFrame, part: str, columns: list[str]) -> tuple[DataFrame, DataFrame]:
    """Return what a shared part of each label's cost sums to, mean over seeds: (of what serves all sizes, of the rest).

    runs: those of the fullest seeds with a row per ancestor (see `apart`), so that what all sizes share is told from
    what each has of its own.
    """
    sizes, served = sizes_served(runs, part)
    values, once = runs[columns].astype(float), ~runs.duplicated([*SEED, part])
    every, rest = (
        _mean_of_sums(values.where(chosen, 0.0).assign(**runs[SEED])[once], columns)
        for chosen in (served == sizes, served != sizes)
    )
    return every, rest


def sizes_served(runs: DataFrame, part: str) -> tuple[Series, Series]:
    """Return for each run how many sizes its label has with its seed, and how many of these its shared part serves."""
    sizes, served = (runs.groupby(by)["target"].transform("nunique") for by in (SEED, [*SEED, part]))
    return sizes, served


def _distinct(runs: DataFrame, part: str) -> Series:
    """The number of identities that one seed of each label needs; only of labels that need any."""
    return runs[runs[part] != ""].groupby(SEED)[part].nunique().groupby("method").max()


def _mean_of_sums(runs: DataFrame, columns: list[str]) -> DataFrame:
    """A row per label: the mean over seeds of the sums of each column; unknown if any value is."""
    groups = runs[columns].astype(float).groupby([runs[key] for key in SEED])
    known = groups.count().eq(groups.size(), axis=0)
    sums = dict(iter(groups.sum().where(known).groupby(level="method")))
    return _reduced(sums, lambda rows: rows.mean(skipna=False), columns)


def _reduced(frames: Mapping[Any, DataFrame], reduce: Callable[[DataFrame], Series], columns: list[str]) -> DataFrame:
    """A row per label: its frame reduced to one."""
    import pandas as pd

    rows = {label: reduce(frame) for label, frame in frames.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
