"""The digits suite on the device."""

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.performance.gpu_parts import commands
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Size

ROOT = Path(__file__).parents[3]
SUITE = ROOT / "suites" / "digits_variable_depth.yaml"
Scores = dict[tuple[str, str], list[float]]  # by method and target


def suite(device: torch.device, size: Size) -> Iterator[Row]:
    """Means against those of ten seeds on a CPU, each with an ancestor and learngenes of its own. Here runs share them,
    so that their mean counts as one more such seed."""
    stated = scores(commands.table(ROOT / "results" / "reference", "digits_reference_depth"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for words in size.suite:
            yield from attempt("suite", words[-1], compare(device, words, Path(folder), stated))


def compare(device: torch.device, words: tuple[str, ...], folder: Path, stated: Scores) -> Iterator[Row]:
    """Each command goes on with what those before it left."""
    results = ("--set", f"device={device.type}", "--results", folder)
    commands.bench("run", SUITE, *results, *words, log=folder / "output")
    for cell, values in scores(commands.table(folder, SUITE.stem)).items():
        others = stated[cell]
        noise = max(statistics.stdev(others), 0.5) * (1 + 1 / len(others)) ** 0.5
        gap = statistics.mean(values) - statistics.mean(others)
        yield Row("suite", " ".join(cell), "points above the CPU's", gap)
        yield Row("suite", " ".join(cell), "of the noise of seeds", abs(gap) / noise, "<= 3")


def scores(rows: list[dict[str, str]]) -> Scores:
    cells: Scores = {}
    for row in rows:
        cells.setdefault((row["method"], row["target"]), []).append(float(row["top1"]))
    return cells
