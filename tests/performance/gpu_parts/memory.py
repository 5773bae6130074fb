"""Training with images in memory."""

from collections.abc import Iterator

import torch

from bench import models
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import matrix_rate, ours, plain
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Size


def memory(device: torch.device, size: Size) -> Iterator[Row]:
    """DeiT against a plain loop, and against its FLOPs at the matrix rate. The largest comes first as it is compiled,
    which carries a target, and else what is compiled last, as that may take all the time."""
    rate = matrix_rate(device, size)
    yield Row("memory", size.precision, "matrix products, TFLOP/s", rate / 1e12)
    first = next(iter(size.models)), size.compiled[-1]
    cases = [(name, compiled) for compiled in size.compiled for name in size.models]
    for name, compiled in sorted(cases, key=lambda case: case != first):
        case = f"{name}{', compiled' if compiled else ''}"
        yield from attempt("memory", case, against_plain(device, size, case, size.models[name], rate, compiled))


def against_plain(
    device: torch.device, size: Size, case: str, spec: VitSpec, rate: float, compiled: bool
) -> Iterator[Row]:
    images, compiling = ours(device, size, spec, build_vit(spec), steps=size.steps, compiled=compiled)
    yield Row("memory", case, "images/s", images)
    share = images * models.train_flops(spec) / rate
    yield Row("memory", case, "of the matrix rate", share, ">= 0.5 for deit_base")
    if compiled:
        yield Row("memory", case, "seconds of compiling", compiling)
    loop = plain(device, size, spec, compiled=compiled)
    yield Row("memory", case, "images/s of the plain loop", loop)
    yield Row("memory", case, "times the plain loop", images / loop, ">= 1.2")
