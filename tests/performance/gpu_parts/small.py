"""Runs of small models, packed on the device."""

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bench.store.log import read as read_log
from tests.performance.gpu_parts import commands
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Packing, Size


def small(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """Runs an hour: one at a time, and several packed on the device, without MPS and with it."""
    alone: dict[tuple[str, str], float] = {}  # by model and what is counted, without MPS
    cases = {}
    for packing in size.packings:
        case = f"{packing.name}, {packing.jobs} at once{', MPS' if packing.mps else ''}"
        if packing.mps and not (device.type == "cuda" and shutil.which("nvidia-cuda-mps-control")):
            cases[case] = iter([Row("small", case, "MPS is not available here", 0.0)])
        else:
            cases[case] = packed(device, size, packing, case, alone)
    yield from attempts("small", cases)


def packed(
    device: torch.device, size: Size, packing: Packing, case: str, alone: dict[tuple[str, str], float]
) -> Iterator[Row]:
    """Every worker has as many runs to do, packed or alone: each of its processes starts CUDA before its first."""
    runs = packing.jobs * packing.each
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # what is ended may still write
        folder = Path(name)
        suite = commands.write_suite(folder, packing.model, epochs=size.epochs, runs=runs)
        words = ("--set", f"device={device.type}", "--jobs", packing.jobs, "--results", folder)
        with commands.served(folder) if packing.mps else nullcontext():
            commands.bench("run", suite, *words, log=folder / "output")
        logs = [read_log(log) for log in folder.glob("jobs/run/*/log.jsonl")]
    times = [Times.of(log) for log in logs]
    # Not with the start of the command, which is the same whatever it runs.
    rate = 3600 * runs / (max(t.done for t in times) - min(t.start for t in times))
    training = 3600 * packing.jobs / statistics.mean(t.done - t.trained_from for t in times)
    yield Row("small", case, "processes", len({t.process for t in times}))
    target = ">= 2 at its best" if packing.name == "digits" else ""
    for what, value, goal in (("runs/h", rate, target), ("runs/h by training alone", training, "")):
        yield Row("small", case, what, value)
        if packing.jobs == 1 and not packing.mps:
            alone[packing.name, what] = value
        elif (packing.name, what) in alone:
            yield Row("small", case, f"{what}, times one by one", value / alone[packing.name, what], goal)


class Times(NamedTuple):
    """Of a run, in seconds: when it was started, evaluated first (the device is set up by then), and done."""

    process: int
    start: float
    trained_from: float
    done: float

    @classmethod
    def of(cls, log: list[dict[str, Any]]) -> "Times":
        """Raises StopIteration where the log lacks an event."""
        events = {name: next(e for e in log if e["event"] == name) for name in ("start", "eval", "done")}
        return cls(events["start"]["pid"], *(event["time"] for event in events.values()))
