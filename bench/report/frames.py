"""Reading and writing the frames that a report is made of: runs, curves and training."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.files import read_file, write_bytes
from bench.report.columns import CURVES, TRAINING, Column
from bench.report.conform import (
    CURVES_NEED,
    RUNS_NEED,
    TRAINING_NEED,
    ReportError,
    conform_curves,
    conform_runs,
    conform_training,
    what_is_missing,
)

if TYPE_CHECKING:
    from pandas import DataFrame, Series


LARGEST = 1 << 30  # bytes that a packed file may hold: some few can be packed into a thousandth


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
    """Write any frame as CSV, atomically, and return its path: of text, whole numbers, float64 and truth values
    what pandas writes, in two thirds of its time."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*(_values(column) for _, column in frame.items()), strict=True))
    return write_text(path, text.getvalue())


def _values(column: Series) -> list[Any]:
    """A column's values as Python's own, None for what is missing."""
    missing = column.isna().to_numpy()
    if missing.all():
        return [None] * len(column)
    values: list[Any] = column.tolist()
    for place in missing.nonzero()[0].tolist():
        values[place] = None
    return values


def write_text(path: str | Path, text: str) -> Path:
    """Write a file in UTF-8, atomically, and return its path."""
    write_bytes(Path(path), text.encode())
    return Path(path)


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
        raise ReportError(f"{path}: {what_is_missing(missing, header, required)}")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise ReportError(f"{path}: row {number}: expected {len(header)} fields, found {len(row)}: is it cut off?")
    return pd.DataFrame(body, columns=header, dtype=object)


def empty(schema: Sequence[Column]) -> DataFrame:
    """Return a frame without rows, as a file has it."""
    import pandas as pd

    return pd.DataFrame(columns=[column.name for column in schema], dtype=object)
