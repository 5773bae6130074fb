"""Frames as the schema has them: every column, in its type; what cannot be is refused with its row."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.report.columns import CONTRACT, CURVES, RUNS, STATUSES, TRAINING, Column
from bench.report.format import short
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame, Series

RUNS_NEED = [c.name for c in CONTRACT]
CURVES_NEED = ["run", "epoch", "step", "top1"]
TRAINING_NEED = [c.name for c in TRAINING]


class ReportError(UsageError):
    """A frame or file that is no result of this project, or a damaged one."""


def conform_runs(frame: DataFrame, source: str = "runs") -> DataFrame:
    """Return the frame with all columns of the schema, in its order and types; foreign columns last, as text.

    Raises ReportError for a missing contract column, a value of the wrong kind, an unknown status, a run that appears
    twice in a suite, or a finished run without its seed or accuracy.
    """
    frame = _conform(frame, RUNS, RUNS_NEED, source)
    bad = [i for i, status in enumerate(frame["status"].tolist()) if status not in STATUSES]
    _fail_at(source, frame, bad, "status", f"one of {', '.join(STATUSES)}")
    bad = [i for i, run in enumerate(frame["run"].tolist()) if len(run.split()) > 1 or run != run.strip()]
    _fail_at(source, frame, bad, "run", "an identity, without blanks")
    bad = [i for i, twice in enumerate(frame.duplicated(["suite", "run"])) if twice]
    _fail_at(source, frame, bad, "run", "every run of a suite once")
    for name in ("top1", "top5", "best_top1", "top1_init"):
        outside = (frame[name] < 0) | (frame[name] > 100)
        _fail_at(source, frame, outside.to_numpy().nonzero()[0], name, "a percentage between 0 and 100")
    bad = [i for i, text in enumerate(frame["ancestor_each"].tolist()) if not _is_costs(text)]
    _fail_at(source, frame, bad, "ancestor_each", "empty, or JSON: identity to columns")
    bad = [i for i, text in enumerate(frame["families"].tolist()) if not is_families(text)]
    _fail_at(source, frame, bad, "families", "empty, or JSON: name to among, or to against and labels")
    changed = frame["families"] != frame.groupby("suite", sort=False)["families"].transform("first")
    _fail_at(source, frame, changed.to_numpy().nonzero()[0], "families", "the same in every row of a suite")
    for name, what in (("seed", "a whole number"), ("top1", "a number")):
        unknown = (frame["status"] == "done") & frame[name].isna()
        _fail_at(source, frame, unknown.to_numpy().nonzero()[0], name, f"{what}, since the run is done")
    return frame


def _is_costs(text: str) -> bool:
    """Whether it is empty or a JSON object of objects, one or more, that have columns of the schema."""
    if not text:
        return True
    try:
        costs = list(json.loads(text).values())
        return bool(costs) and {key for cost in costs for key in cost} <= {c.name for c in RUNS}
    except (ValueError, AttributeError, TypeError):
        return False


def is_families(text: str) -> bool:
    """Return whether it is empty or a JSON object of families of tests, each with pairs of labels to compare."""
    try:
        return not text or all(map(_is_family, json.loads(text).values()))
    except (ValueError, AttributeError, TypeError, KeyError):
        return False


def _is_family(entry: dict[str, Any]) -> bool:
    labels, margin = entry.get("among") or [entry["against"], *entry["labels"]], entry.get("margin")
    texts = [*labels, *entry.get("targets", []), entry.get("metric", "")]
    named = isinstance(labels, list) and len(labels) > 1 and all(isinstance(text, str) for text in texts)
    known = entry.get("metric", "top1") in ("top1", "top1_init", "best_top1")
    return named and known and (margin is None or 0 < margin <= 100)


def conform_curves(frame: DataFrame, source: str = "curves") -> DataFrame:
    """Return the frame of curves as `conform_runs` does, by run and step, each point once (suites may share runs)."""
    frame = _conform(frame, CURVES, CURVES_NEED, source)
    frame = frame.drop_duplicates(["run", "step"])
    return frame.sort_values(["run", "step"], kind="stable", ignore_index=True)


def conform_training(frame: DataFrame, source: str = "training") -> DataFrame:
    """Return the frame of epochs of training as `conform_runs` does, in its order, each point once."""
    frame = _conform(frame, TRAINING, TRAINING_NEED, source)
    return frame.drop_duplicates(["suite", "job", "fit", "step"], ignore_index=True)


def _conform(frame: DataFrame, schema: list[Column], required: list[str], source: str) -> DataFrame:
    import pandas as pd

    names = list(map(str, frame.columns))
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ReportError(f"{source}: expected every column once, found {', '.join(twice)} twice")
    if missing := [name for name in required if name not in names]:
        raise ReportError(f"{source}: {what_is_missing(missing, names, required)}")
    text = Column("", "text", "", "")
    known = {c.name: c for c in schema}
    columns = [*schema, *(Column(n, text.kind, "", "") for n in names if n not in known)]
    frame = frame.reset_index(drop=True)
    # arrays: of series the indexes would be compared, one by one
    return pd.DataFrame({c.name: _column(frame, c, source).array for c in columns}, index=frame.index)


def what_is_missing(missing: list[str], names: list[str], required: list[str]) -> str:
    if 2 * len(missing) > len(required):
        shown = few([short(name, 40) for name in names], 8)
        return f"not one of this project's results: expected columns such as {', '.join(required[:5])}, found {shown}"
    near = {name: difflib.get_close_matches(name, names, n=1, cutoff=0.8) for name in missing}
    hints = [f"{name} (found {match[0]!r})" if match else name for name, match in near.items()]
    return f"columns are missing: {', '.join(hints)}"


def _column(frame: DataFrame, column: Column, source: str) -> Series:
    import pandas as pd

    dtype = DTYPES[column.kind]
    if column.name not in frame.columns:
        return pd.Series([MISSING[column.kind]] * len(frame), dtype=dtype)
    series = frame[column.name]
    if column.kind != "text" and series.dtype == dtype:
        return series
    objects = series.tolist()
    strings = set(map(type, objects)) <= {str}  # as a file has them
    if strings and column.kind == "text" and series.dtype == dtype:
        return series
    convert, missing = CONVERT[column.kind], MISSING[column.kind]
    values = list(dict.fromkeys(objects)) if strings else objects  # what many rows say is converted once
    known = [True] * len(values) if strings else series.notna().tolist()
    absent = [not real or value == "" for value, real in zip(values, known, strict=True)]
    converted: list[Any] = []
    try:
        for value, none in zip(values, absent, strict=True):
            converted.append(missing if none else convert(value))
    except (ValueError, TypeError, OverflowError):
        row = objects.index(values[len(converted)]) if strings else len(converted)
        _fail_at(source, frame, [row], column.name, EXPECTED[column.kind])
    if strings:
        converted = list(map(dict(zip(values, converted, strict=True)).__getitem__, objects))
    return pd.Series(converted, dtype=dtype)


def _integer(value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str) or value == int(value) else int("not whole")
        if abs(number) >= 1 << 63:
            raise OverflowError(value)
        return number
    except ValueError:  # "3.0": what spreadsheets and pandas make of a column of integers with gaps
        real = float(value)
        if real != int(real) or abs(real) >= 1 << 63:
            raise ValueError(value) from None
        return int(real)


def _number(value: Any) -> float:
    number = float(value)
    if math.isinf(number):
        raise ValueError(value)
    return number


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in ("true", "1", "false", "0"):
        raise ValueError(value)
    return word in ("true", "1")


CONVERT: dict[str, Callable[[Any], Any]] = {"text": str, "int": _integer, "float": _number, "bool": _boolean}
DTYPES = {"text": "object", "int": "Int64", "float": "float64", "bool": "boolean"}
MISSING: dict[str, Any] = {"text": "", "int": None, "float": None, "bool": None}
EXPECTED = {"text": "text", "int": "a whole number", "float": "a finite number", "bool": "True or False"}


def _fail_at(source: str, frame: DataFrame, rows: Sequence[int], name: str, expected: str) -> None:
    """Raise for the first of `rows` (counted from 0; shown as lines of the file, where the header is row 1)."""
    if len(rows):
        row = int(rows[0])
        run = f" (run {frame['run'].iat[row]})" if "run" in frame and name != "run" else ""
        more = f", and {len(rows) - 1} more like it" if len(rows) > 1 else ""
        value = frame[name].astype(object).iat[row]  # a plain number, not numpy's
        raise ReportError(f"{source}: row {row + 2}{run}: column {name}: expected {expected}, found {value!r}{more}")
