"""What waits for the device in a step."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.data import Dataset
from bench.recipes.recipe import Recipe
from bench.store.nowhere import Nowhere
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import in_memory
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

WAITS = (
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
    "aten::item",
    "aten::_local_scalar_dense",
)
MIXED = {"mixup": 0.8, "cutmix": 1.0}  # as the ImageNet suites do
MESSAGE = "called a synchronizing CUDA operation"  # of torch's debug mode


Train = Callable[[int], None]  # a training of so many steps


def waits(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """Of images in memory, as they are, and mixed and with a teacher; `shards` has those of images that are decoded."""
    name, spec = size.smallest
    teacher = build_vit(spec).to(device).eval()
    ways = {
        name: partial(train, device, size, spec),
        f"{name}, mixed, with a teacher": partial(train, device, size, spec, teacher=teacher, **MIXED),
    }
    cases: dict[str, Iterator[Row]] = {}
    for case, way in ways.items():
        cases |= of(device, size, "waits", case, way)
    yield from attempts("waits", cases)


def of(device: torch.device, size: Size, part: str, case: str, train: Train) -> dict[str, Iterator[Row]]:
    """By lines of code and by the profiler's names: what a training of some steps has more than one of fewer, so that
    what comes once, such as the warm-up, is left out."""
    cases = {f"{case}, profiled": by_name(device, size, part, case, train)}
    return ({f"{case}, by line": by_line(size, part, case, train)} if device.type == "cuda" else {}) | cases


def train(
    device: torch.device,
    size: Size,
    spec: VitSpec,
    steps: int,
    *,
    data: Dataset | None = None,
    teacher: nn.Module | None = None,
    **recipe: Any,
) -> None:
    """Images in memory, unless `data` is given."""
    images = data or in_memory(device, spec, steps * size.batch)
    how = Recipe(steps=steps, batch_size=size.batch, precision=size.precision, **recipe)
    session = Session(Nowhere(), device, checkpoint_seconds=math.inf)
    loss = "ce" if teacher is None else "kd"
    Fit(session, images, build_vit(spec), name="run", recipe=how, seed=0, loss=loss, teacher=teacher).run()


def by_line(size: Size, part: str, case: str, train: Train) -> Iterator[Row]:
    """More steps than there are between two looks at the losses."""
    few, many = (lines(train, steps) for steps in (size.steps, 3 * size.steps))
    counts = many - few
    yield Row(part, case, "waits a step, in Python", counts.total() / (2 * size.steps))
    for place, count in counts.most_common():
        yield Row(part, case, f"waits a step at {place}", count / (2 * size.steps))


def lines(train: Train, steps: int) -> Counter[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            train(steps)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waiting = [w for w in caught if MESSAGE in str(w.message)]
    return Counter(f"{'/'.join(Path(w.filename).parts[-3:])}:{w.lineno}" for w in waiting)


def by_name(device: torch.device, size: Size, part: str, case: str, train: Train) -> Iterator[Row]:
    steps = max(size.steps // 4, 1)  # reading a profile takes a while
    few, many = (calls(device, train, n) for n in (steps, 2 * steps))
    for wait in WAITS:
        yield Row(part, case, f"{wait} a step", (many[wait] - few[wait]) / steps)


def calls(device: torch.device, train: Train, steps: int) -> Counter[str]:
    with torch.profiler.profile() as profiler:
        train(steps)
    counts = Counter({event.key: event.count for event in profiler.key_averages()})
    if device.type == "cuda" and not counts["cudaDeviceSynchronize"]:
        raise RuntimeError("the profiler sees nothing of CUDA: expected cudaDeviceSynchronize, which our clock calls")
    return counts
