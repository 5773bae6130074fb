"""Images a second of the harness's loop and of timm's, and the FLOPs a second of matrix products."""

import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import timm.optim
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import api
from bench.data import Dataset
from bench.recipes.recipe import Recipe
from bench.store.nowhere import Nowhere
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.size import Size

FIRST = 3  # steps that are not timed: they count FLOPs and allocate
DISTINCT = 256  # images, which come again and again: an epoch has as many as a training takes


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_rate(device: torch.device, size: Size) -> float:
    """FLOPs a second of products of large matrices, in the precision that models are trained in."""
    dtype = torch.bfloat16 if size.precision == "bf16" else torch.float32
    a, b = (torch.randn(size.matrix, size.matrix, device=device, dtype=dtype) for _ in range(2))
    for _ in range(300):  # half a second, so that the clocks are up
        a @ b
    began = clock(device)
    for _ in range(200):
        a @ b
    return 200 * 2 * size.matrix**3 / (clock(device) - began)


def images_of(spec: VitSpec, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """uint8 images [n, channels, size, size] on the device, and labels [n] on the CPU."""
    draw = torch.Generator().manual_seed(0)
    shape = (min(n, DISTINCT), spec.in_chans, spec.img_size, spec.img_size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=draw).to(device)
    return pixels[torch.arange(n, device=device) % len(pixels)], torch.arange(n) % spec.num_classes


def in_memory(device: torch.device, spec: VitSpec, n: int) -> Dataset:
    classes = [str(label) for label in range(spec.num_classes)]
    return api.lab(images_of(spec, n, device), images_of(spec, 2, device), classes=classes, device=device).data


def timed(
    data: Dataset, model: nn.Module, device: torch.device, size: Size, *, steps: int, compiled: bool, **recipe: Any
) -> tuple[float, float]:
    """(images a second of the harness's loop, seconds of compiling before it), by what its evaluations say of costs."""
    session = Session(Nowhere(), device, checkpoint_seconds=math.inf)
    how = Recipe(
        batch_size=size.batch, precision=size.precision, compile=compiled, steps=FIRST + steps, looks=(FIRST,), **recipe
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="torch.compile failed")  # else it goes on without
        evals = Fit(session, data, model, name="run", recipe=how, seed=0, evaluate=lambda module: {}).run()
    _, first, last = evals
    compiling = session.notes["run"].get("compile_seconds", 0.0)
    return (last["images"] - first["images"]) / (last["seconds"] - first["seconds"]), compiling


def ours(
    device: torch.device, size: Size, spec: VitSpec, model: nn.Module, *, steps: int, compiled: bool
) -> tuple[float, float]:
    """The same, with images in memory."""
    data = in_memory(device, spec, (FIRST + steps) * size.batch)
    return timed(data, model, device, size, steps=steps, compiled=compiled)


class Batches:
    """What timm's loader would give: a batch that is on the device already, normalised as its prefetcher does."""

    mixup_enabled, sampler, dataset = False, None, ()

    def __init__(self, device: torch.device, spec: VitSpec, batch: int, steps: int) -> None:
        self.pixels, self.labels = (x.to(device) for x in images_of(spec, batch, device))
        self.mean, self.std = (torch.full((1, spec.in_chans, 1, 1), 255 * v, device=device) for v in (0.5, 0.25))
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(self.steps):
            yield self.pixels.to(torch.float32).sub_(self.mean).div_(self.std), self.labels


def timms(device: torch.device, size: Size, spec: VitSpec, *, compiled: bool, fused: bool = False) -> float:
    """Images a second of what timm's train_one_epoch does with a batch that is on the device already: its prefetcher's
    normalisation, autocast, cross entropy, backward, AdamW, zero_grad. fused: its optimiser is as ours, else as its
    train.py makes it. Its looks at the loss, which wait for the device, are left out."""
    model = build_vit(spec).to(device)
    options = {"fused": True} if fused else {}
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, **options)
    training = torch.compile(model) if compiled else model
    began = 0.0
    for step, (images, labels) in enumerate(Batches(device, spec, size.batch, FIRST + size.steps), start=1):
        with torch.autocast(device.type, torch.bfloat16, enabled=size.precision == "bf16"):
            loss = F.cross_entropy(training(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step == FIRST:
            began = clock(device)
    return size.steps * size.batch / (clock(device) - began)
