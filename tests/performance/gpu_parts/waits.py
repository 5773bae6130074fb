"""What waits for the device in a step."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.recipes.recipe import Recipe
from bench.store.nowhere import Nowhere
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import in_memory
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Size

WAITS = (
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
    "aten::item",
    "aten::_local_scalar_dense",
)
MESSAGE = "called a synchronizing CUDA operation"  # of torch's debug mode


def waits(device: torch.device, size: Size) -> Iterator[Row]:
    """By lines of code and by the profiler's names: what a training of some steps has more than one of fewer, so that
    what comes once, such as the warm-up, is left out."""
    name, _ = size.smallest
    if device.type == "cuda":
        yield from attempt("waits", name, by_line(device, size))
    yield from attempt("waits", name, by_name(device, size))


def train(device: torch.device, size: Size, spec: VitSpec, steps: int) -> None:
    data = in_memory(device, spec, steps * size.batch)
    recipe = Recipe(steps=steps, batch_size=size.batch, precision=size.precision)
    session = Session(Nowhere(), device, checkpoint_seconds=math.inf)
    Fit(session, data, build_vit(spec), name="run", recipe=recipe, seed=0).run()


def by_line(device: torch.device, size: Size) -> Iterator[Row]:
    """More steps than there are between two looks at the losses."""
    name, spec = size.smallest
    few, many = (lines(device, size, spec, steps) for steps in (size.steps, 3 * size.steps))
    counts = many - few
    yield Row("waits", name, "waits a step, in Python", counts.total() / (2 * size.steps))
    for place, count in counts.most_common():
        yield Row("waits", name, f"waits a step at {place}", count / (2 * size.steps))


def lines(device: torch.device, size: Size, spec: VitSpec, steps: int) -> Counter[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            train(device, size, spec, steps)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waiting = [w for w in caught if MESSAGE in str(w.message)]
    return Counter(f"{'/'.join(Path(w.filename).parts[-3:])}:{w.lineno}" for w in waiting)


def by_name(device: torch.device, size: Size) -> Iterator[Row]:
    name, spec = size.smallest
    steps = max(size.steps // 4, 1)  # reading a profile takes a while
    few, many = (calls(device, size, spec, n) for n in (steps, 2 * steps))
    for wait in WAITS:
        yield Row("waits", name, f"{wait} a step", (many[wait] - few[wait]) / steps)


def calls(device: torch.device, size: Size, spec: VitSpec, steps: int) -> Counter[str]:
    with torch.profiler.profile() as profiler:
        train(device, size, spec, steps)
    counts = Counter({event.key: event.count for event in profiler.key_averages()})
    if device.type == "cuda" and not counts["cudaDeviceSynchronize"]:
        raise RuntimeError("the profiler sees nothing of CUDA: expected cudaDeviceSynchronize, which our clock calls")
    return counts
