"""cost.csv: what a method costs for all sizes of a section, and what it stores. Shared cost is counted once.

total = ancestor + learngene + tuning (each once per identity) + sum over sizes of (initialisation + training), for
one seed; the figures are means over seeds. A cost that is not known (an ancestor that came as a checkpoint) stays
unknown, and so does every total that contains it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.sections import Section, once
from bench.report.analysis.sums import SEED, fullest_seeds, mean_of_sums, sum_of_means

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

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
    columns: dict[str, NDArray[np.float64]] = {}
    on_cpu = (runs["device"] == "cpu").to_numpy()
    threads = np.where(on_cpu, np.nan_to_num(_numbers(runs, "threads"), nan=1.0), 1.0)
    for part in PARTS:
        workers, devices = (_used(runs, part, column, what) for column, what in OF_RUN.items())
        workers, used = np.where(on_cpu, 1.0, workers), devices * threads
        energy = "energy_joules" if part == "train" else f"{part}_energy_joules"
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[f"{part}_device_hours"] = _numbers(runs, f"{part}_seconds") * used / workers / 3600
            columns[f"{part}_energy_joules"] = _numbers(runs, energy) / workers
        columns[f"{part}_images"] = _numbers(runs, f"{part}_images")
        columns[f"{part}_flops"] = _numbers(runs, f"{part}_flops")
    absent = {part: runs[part] == "" for part in SHARED}
    absent["tuning"] &= runs["tune"] == ""  # tuned by runs that are not named: their cost is not known
    for part, without in absent.items():
        columns |= {f"{part}_{unit}": np.where(without, 0.0, columns[f"{part}_{unit}"]) for unit in UNITS}
    return runs.assign(**columns)


def _used(runs: DataFrame, part: str, column: str, what: str) -> NDArray[np.float64]:
    """How many workers or devices a part of the cost had: the run's own number where the part says none, else 1."""
    of_part, of_run = _numbers(runs, f"{part}_{what}"), _numbers(runs, column)
    return np.nan_to_num(np.where(np.isnan(of_part), of_run, of_part), nan=1.0)


def _numbers(runs: DataFrame, column: str) -> NDArray[np.float64]:
    """A column, NaN where it is not known; or where there is none."""
    return runs[column].to_numpy(dtype=float, na_value=np.nan) if column in runs else np.full(len(runs), np.nan)


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
    params = sizes["params"].to_numpy(dtype=float, na_value=np.nan)
    places = sizes.groupby("method").indices
    rows = [_row(label, params[places[label]], costs[label]) for label in section.methods if label in places]
    frame = pd.DataFrame(rows)
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

    runs, each = paid(section), fullest_seeds(paid_apart(section))
    fullest = fullest_seeds(runs)
    columns = {part: [f"{part}_{unit}" for unit in UNITS] for part in PARTS}
    frames = [
        mean_of_sums(each, "ancestor", columns["ancestor"]),
        mean_of_sums(fullest, "learngene", [*columns["learngene"], *STORED]),
        mean_of_sums(fullest, "tuning", columns["tuning"]),
        sum_of_means(runs, [name for part in OWN for name in columns[part]]),
    ]
    seeds = runs[SEED].drop_duplicates()["method"].value_counts()
    numbers = {"n": seeds.to_dict()} | {f"{part}s": _distinct(fullest, part) for part in SHARED}
    return {
        label: cost | {name: of.get(label, 0) for name, of in numbers.items()}
        for label, cost in pd.concat(frames, axis=1).to_dict("index").items()
    }


def _row(method: str, params: NDArray[np.float64], known: dict[str, Any]) -> dict[str, Any]:
    """params: of a trained model for each of its targets."""
    row: dict[str, Any] = {"method": method, "targets": len(params), "n": known["n"]}
    row |= {name: known[name] for name in (f"{part}s" for part in SHARED)}
    for unit in UNITS:
        parts = {part: known[f"{part}_{unit}"] for part in PARTS}
        row |= {f"{unit}_{part}": value for part, value in parts.items()}
        row[f"{unit}_total"] = sum(parts.values())
        for left_out in WITHOUT:
            row[f"{unit}_total_without_{left_out}"] = sum(v for p, v in parts.items() if p != left_out)
    row |= {name: known[name] for name in STORED}
    row["models_params"] = float(params.sum())
    row["models_bytes"] = BYTES * row["models_params"]
    stored = row["stored_params"] + row["stored_params_head"]
    row["storage_ratio"] = row["models_params"] / stored if stored else float("nan")
    return row


def _distinct(runs: DataFrame, part: str) -> dict[str, int]:
    """Label -> the number of identities that one seed of it needs; only of labels that need any."""
    named = runs[[*SEED, part]][runs[part] != ""].drop_duplicates()
    most: dict[str, int] = {}
    for (label, _), n in Counter(zip(named["method"], named["seed"], strict=True)).items():
        most[label] = max(n, most.get(label, 0))
    return most
