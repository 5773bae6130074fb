"""A model under templates against the dense one of its size."""

from collections.abc import Iterator

import torch

from methods.parts.templates import layout, template_counts
from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import ours
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

TEMPLATES, TEMPLATE_SIZE = 8, 192  # as in the ImageNet suites, which also compile


def wave(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """Both trained by the harness. First the smallest, of whose step templates take the largest part, as the ImageNet
    suites train it; what else is compiled comes last."""
    pairs = [(name, compiled) for compiled in size.compiled for name in size.models]
    first = size.smallest[0], size.compiled[-1]
    cases = {}
    for name, compiled in sorted(pairs, key=lambda pair: pair != first):
        case = f"{name}{', compiled' if compiled else ''}"
        cases[case] = against_dense(device, size, case, size.models[name], compiled)
    yield from attempts("wave", cases)


def against_dense(device: torch.device, size: Size, case: str, spec: VitSpec, compiled: bool) -> Iterator[Row]:
    steps = size.steps // 2
    dense, _ = ours(device, size, spec, build_vit(spec), steps=steps, compiled=compiled)
    images, compiling = ours(device, size, spec, templated(spec), steps=steps, compiled=compiled)
    yield Row("wave", case, "times the dense step", dense / images, "<= 1.15")
    if compiled:
        yield Row("wave", case, "seconds of compiling", compiling)


def templated(spec: VitSpec) -> TemplatedVit:
    tile = min(TEMPLATE_SIZE, spec.embed_dim)
    groups = layout(spec, template_counts(spec, TEMPLATES, tile, many_widths=False, head=False), tile)
    draw = torch.Generator().manual_seed(0)
    parts = (fresh_templates(groups, draw, 1.0), fresh_scalers(groups, draw, 1.0))
    return TemplatedVit(build_vit(spec), groups, "tile", *parts)
