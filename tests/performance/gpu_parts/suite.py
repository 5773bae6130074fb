"""The digits suite on the device."""

import statistics
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch

from tests.performance.gpu_parts import commands
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

ROOT = Path(__file__).parents[3]
SUITE = ROOT / "suites" / "digits_variable_depth.yaml"
Scores = dict[tuple[str, str], list[float]]  # by method and target


def suite(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """Means against those of ten seeds on a CPU, each with an ancestor and learngenes of its own. Here runs share them,
    so that their mean counts as one more such seed."""
    stated = scores(commands.table(ROOT / "results" / "reference", "digits_reference_depth"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cases = {only(words): compare(device, words, Path(folder), stated) for words in size.suite}
        yield from attempts("suite", cases)


def only(words: tuple[str, ...]) -> str:
    """The runs that a command does, as it says them."""
    return " ".join(word for option, word in pairwise(words) if option == "--only")


def compare(device: torch.device, words: tuple[str, ...], folder: Path, stated: Scores) -> Iterator[Row]:
    """Each command goes on with what those before it left. stated: a cell is taken out when it is compared."""
    results = ("--set", f"device={device.type}", "--results", folder)
    commands.bench("run", SUITE, *results, *words, log=folder / "output")
    for cell, values in scores(commands.table(folder, SUITE.stem)).items():
        others = stated.pop(cell, None)
        if others is None:  # a command before had it
            continue
        noise = max(statistics.stdev(others), 0.5) * (1 + 1 / len(others)) ** 0.5
        gap = statistics.mean(values) - statistics.mean(others)
        yield Row("suite", " ".join(cell), "points above the CPU's", gap)
        yield Row("suite", " ".join(cell), "of the noise of seeds", abs(gap) / noise, "<= 3")


def scores(rows: list[dict[str, str]]) -> Scores:
    cells: Scores = {}
    for row in rows:
        cells.setdefault((row["method"], row["target"]), []).append(float(row["top1"]))
    return cells
