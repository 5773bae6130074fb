"""Training with images in memory."""

from collections.abc import Iterator

import torch

from bench import models
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import matrix_rate, ours, timms
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

Rates = dict[str, float]  # images a second, by case
TARGET = ">= 1.2"


def memory(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """DeiT against timm's loop, and against its FLOPs at the matrix rate. Compiling takes most of the time: what needs
    none comes first, then ours of all sizes, then timm's loop compiled."""
    rate = matrix_rate(device, size)
    yield Row("memory", size.precision, "matrix products, TFLOP/s", rate / 1e12)
    known: Rates = {}
    loops: Rates = {}  # timm's, by model
    cases: dict[str, Iterator[Row]] = {}
    for name in size.models:
        cases[name] = uncompiled(device, size, name, rate, loops)
    if True in size.compiled:
        for name in size.models:
            cases[f"{name}, compiled"] = compiled(device, size, name, rate, loops, known)
        for name in size.models:
            cases[f"{name}, timm's loop compiled too"] = both_compiled(device, size, name, known)
    yield from attempts("memory", cases)


def uncompiled(device: torch.device, size: Size, name: str, rate: float, loops: Rates) -> Iterator[Row]:
    spec = size.models[name]
    loops[name] = timms(device, size, spec, compiled=False)
    images, _ = ours(device, size, spec, build_vit(spec), steps=size.steps, compiled=False)
    yield from speed(name, name, spec, images, rate)
    yield Row("memory", name, "images/s of timm's loop", loops[name])
    yield Row("memory", name, "times timm's loop", images / loops[name], TARGET)
    fused = timms(device, size, spec, compiled=False, fused=True)
    yield Row("memory", name, "times timm's loop with fused AdamW", images / fused, "none: stricter")


def compiled(device: torch.device, size: Size, name: str, rate: float, loops: Rates, known: Rates) -> Iterator[Row]:
    spec, case = size.models[name], f"{name}, compiled"
    images, compiling = ours(device, size, spec, build_vit(spec), steps=size.steps, compiled=True)
    known[name] = images
    yield from speed(case, name, spec, images, rate)
    yield Row("memory", case, "seconds of compiling", compiling)
    if name in loops:
        yield Row("memory", case, "times timm's loop uncompiled", images / loops[name])


def both_compiled(device: torch.device, size: Size, name: str, known: Rates) -> Iterator[Row]:
    """With timm's own choice of optimiser: another would take as long to compile again."""
    case = f"{name}, timm's loop compiled too"
    loop = timms(device, size, size.models[name], compiled=True)
    yield Row("memory", case, "images/s of timm's loop", loop)
    if name in known:
        yield Row("memory", case, "times timm's loop", known[name] / loop, TARGET)


def speed(case: str, name: str, spec: VitSpec, images: float, rate: float) -> Iterator[Row]:
    """images: a second."""
    target = ">= 0.5" if name == "deit_base" else ""
    yield Row("memory", case, "images/s", images)
    yield Row("memory", case, "of the matrix rate", images * models.train_flops(spec) / rate, target)
