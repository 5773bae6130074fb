"""Runs of small models, packed on the device."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch

from bench.store.log import read as read_log
from tests.performance.gpu_parts import commands
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Packing, Size


def small(device: torch.device, size: Size) -> Iterator[Row]:
    """Runs an hour: one at a time, and several packed on the device, without MPS and with it."""
    alone: dict[str, float] = {}  # by model, without MPS
    for packing in size.packings:
        case = f"{packing.name}, {packing.jobs} at once{', MPS' if packing.mps else ''}"
        if packing.mps and not (device.type == "cuda" and shutil.which("nvidia-cuda-mps-control")):
            yield Row("small", case, "MPS is not available here", 0.0)
            continue
        yield from attempt("small", case, packed(device, size, packing, case, alone))


def packed(device: torch.device, size: Size, packing: Packing, case: str, alone: dict[str, float]) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # what is ended may still write
        folder = Path(name)
        suite = commands.write_suite(folder, packing.model, epochs=size.epochs, runs=packing.runs)
        words = ("--set", f"device={device.type}", "--jobs", packing.jobs, "--results", folder)
        with commands.served(folder) if packing.mps else nullcontext():
            commands.bench("run", suite, *words, log=folder / "output")
        events = [event for log in folder.glob("jobs/run/*/log.jsonl") for event in read_log(log)]
    starts, ends = ([e["time"] for e in events if e["event"] == event] for event in ("start", "done"))
    rate = 3600 * packing.runs / (max(ends) - min(starts))  # without the start of the command
    yield Row("small", case, "runs/h", rate)
    if packing.jobs == 1 and not packing.mps:
        alone[packing.name] = rate
    elif packing.name in alone:
        yield Row("small", case, "times one by one", rate / alone[packing.name], ">= 2 for digits, at its best")
