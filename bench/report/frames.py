"""Reading, checking and writing the frames that a report is made of: runs, curves and training."""

from __future__ import annotations

import csv
import difflib
import gzip
import json
import math
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.files import read_file, write_bytes
from bench.report.columns import CONTRACT, CURVES, RUNS, STATUSES, TRAINING, Column
from bench.report.format import short
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame, Series


RUNS_NEED = [c.name for c in CONTRACT]
CURVES_NEED = ["run", "epoch", "step", "top1"]
TRAINING_NEED = [c.name for c in TRAINING]
LARGEST = 1 << 30  # bytes that a packed file may hold: some few can be packed into a thousandth


class ReportError(UsageError):
    """A frame or file that is no result of this project, or a damaged one."""


def read_runs(path: str | Path) -> DataFrame:
    """Return the frame that `write_runs` wrote, checked, from the file or a packed one. Raises ReportError saying what
    was expected and what was found."""
    path = _plain_or_packed(Path(path))
    return conform_runs(_read(path, RUNS_NEED), str(path))


def read_curves(path: str | Path) -> DataFrame:
    """Return the frame that `write_curves` wrote, checked, from the file or a packed one; else an empty one."""
    path = _plain_or_packed(Path(path))
    frame = _read(path, CURVES_NEED) if path.exists() else empty(CURVES)
    return conform_curves(frame, str(path))


def read_training(path: str | Path) -> DataFrame:
    """Return the frame that `write_training` wrote, checked, from the file or a packed one; else an empty one."""
    path = _plain_or_packed(Path(path))
    frame = _read(path, TRAINING_NEED) if path.exists() else empty(TRAINING)
    return conform_training(frame, str(path))


def write_runs(runs: DataFrame, path: str | Path) -> None:
    """Write the long form, a row per run, floats in their shortest form that reads back equal; replaced atomically."""
    write_csv(runs, path)


def write_curves(curves: DataFrame, path: str | Path) -> None:
    """Write a row per evaluation; otherwise as `write_runs`."""
    write_csv(curves, path)


def write_training(training: DataFrame, path: str | Path) -> None:
    """Write a row per epoch of each fit; otherwise as `write_runs`."""
    write_csv(training, path)


def write_csv(frame: DataFrame, path: str | Path) -> Path:
    """Write any frame as CSV, atomically, and return its path."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def write_text(path: str | Path, text: str) -> Path:
    """Write a file in UTF-8, atomically, and return its path."""
    write_bytes(Path(path), text.encode())
    return Path(path)


def conform_runs(frame: DataFrame, source: str = "runs") -> DataFrame:
    """Return the frame with all columns of the schema, in its order and types; foreign columns last, as text.

    Raises ReportError for a missing contract column, a value of the wrong kind, an unknown status, a run that appears
    twice in a suite, or a finished run without its accuracy.
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
    unmeasured = (frame["status"] == "done") & frame["top1"].isna()
    _fail_at(source, frame, unmeasured.to_numpy().nonzero()[0], "top1", "a number, since the run is done")
    return frame


def _is_costs(text: str) -> bool:
    """Whether it is empty or a JSON object of objects that have columns of the schema."""
    try:
        return not text or {key for cost in json.loads(text).values() for key in cost} <= {c.name for c in RUNS}
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


def unpacked(content: bytes) -> bytes:
    """What gzip packed. Raises OSError, EOFError or zlib.error for what it did not, ValueError beyond LARGEST."""
    with gzip.open(BytesIO(content)) as file:
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes in {len(content)}")
    return text


def _plain_or_packed(path: Path) -> Path:
    """`curves.csv`, or `curves.csv.gz` where only that exists: tables are packed together."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.exists() and not path.exists() else path


def _read(path: Path, required: list[str]) -> DataFrame:
    import pandas as pd

    if path.is_dir():
        raise ReportError(f"{path}: expected a CSV file, found a folder; is it {path / 'runs.csv'}?")
    try:
        content = read_file(path)
        if content is None:
            raise ReportError(f"{path}: no such file")
        text = (unpacked(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
        rows = list(csv.reader(StringIO(text, newline=""), strict=True))
    except ReportError:
        raise
    except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
        kind = "a CSV file in UTF-8, packed by gzip" if path.suffix == ".gz" else "a CSV file in UTF-8"
        raise ReportError(f"{path}: expected {kind}, found {error}") from None
    if not rows:
        raise ReportError(f"{path}: expected a header line with the columns of runs.csv, found an empty file")
    header, *body = rows
    if 2 * len(missing := [name for name in required if name not in header]) > len(required):
        raise ReportError(f"{path}: {_describe_missing(missing, header, required)}")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise ReportError(f"{path}: row {number}: expected {len(header)} fields, found {len(row)}: is it cut off?")
    return pd.DataFrame(body, columns=header, dtype=object)


def empty(schema: Sequence[Column]) -> DataFrame:
    """Return a frame without rows, as a file has it."""
    import pandas as pd

    return pd.DataFrame(columns=[column.name for column in schema], dtype=object)


def _conform(frame: DataFrame, schema: list[Column], required: list[str], source: str) -> DataFrame:
    import pandas as pd

    names = list(map(str, frame.columns))
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ReportError(f"{source}: expected every column once, found {', '.join(twice)} twice")
    if missing := [name for name in required if name not in names]:
        raise ReportError(f"{source}: {_describe_missing(missing, names, required)}")
    text = Column("", "text", "", "")
    known = {c.name: c for c in schema}
    columns = [*schema, *(Column(n, text.kind, "", "") for n in names if n not in known)]
    frame = frame.reset_index(drop=True)
    # arrays: of series the indexes would be compared, one by one
    return pd.DataFrame({c.name: _column(frame, c, source).array for c in columns}, index=frame.index)


def _describe_missing(missing: list[str], names: list[str], required: list[str]) -> str:
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
