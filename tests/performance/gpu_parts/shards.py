"""Training through prepared shards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench import models
from bench.data import Dataset, DataSettings, load
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import prepare
from bench.processes import cores
from bench.recipes.named import RECIPES
from methods.vit import build_vit
from tests.performance.decoding import write
from tests.performance.gpu_parts import waits
from tests.performance.gpu_parts.rates import FIRST, matrix_rate, ours, timed
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

VARIED = ("label_smoothing", "mixup", "cutmix", "mixup_switch_prob", "repeats", "augment")
# What the recipe of the ImageNet suites' runs does to images and labels; its stochastic depth would be another model.
SUITES = {name: RECIPES["tleg_target"][name] for name in VARIED}
AUGMENTED: dict[str, dict[str, Any]] = {
    "as the ImageNet suites": SUITES,
    "crop and flip": {"augment": {"crop": "rrc", "hflip": 0.5}},
}


def shards(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """DeiT on JPEGs that workers decode and augment, against images in memory and FLOPs at the matrix rate: as the
    ImageNet suites augment, and cropped and flipped only."""
    workers, compiled = max(0, cores() - 2), size.compiled[-1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data = prepared(Path(folder), device, size, workers)
        rate = matrix_rate(device, size)
        memory: dict[str, float] = {}
        cases: dict[str, Iterator[Row]] = {}
        for name in size.models:
            for augmented, recipe in AUGMENTED.items():
                case = f"{name}{', compiled' if compiled else ''}, {workers} workers, {augmented}"
                cases[case] = against_memory(device, size, case, name, data, rate, recipe, memory)
        name, spec = size.smallest
        training = partial(waits.train, device, size, spec, data=data, **SUITES)
        cases |= waits.of(device, size, "shards", f"{name}, {workers} workers, waits", training)
        yield from attempts("shards", cases)
        data.close()


def prepared(folder: Path, device: torch.device, size: Size, workers: int) -> Dataset:
    """Photographs of 500x375 pixels as `bench prepare` keeps them; of links to a file each is an image of its own."""
    raw, out = folder / "raw", folder / "prepared"
    write(raw, size.originals)
    shutil.copytree(raw / "val", raw / "test")
    for path in list((raw / "train").rglob("*.JPEG")):
        for copy in range(1, size.copies):
            os.link(path, path.with_stem(f"{path.stem}-{copy}"))
    pixels = next(iter(size.models.values())).img_size
    fields = {"name": "photos", "source": "folder", "img_size": pixels, "fingerprint": "sample"}
    prepare(DataSettings(**fields, root=str(raw), workers=0), Form(256, 95), out, workers=workers)
    data = load(DataSettings(**fields, root=str(out), workers=workers), device)
    classes = next(iter(size.models.values())).num_classes  # mixed labels are as many
    return replace(data, description=replace(data.description, classes=tuple(map(str, range(classes)))))


def against_memory(
    device: torch.device,
    size: Size,
    case: str,
    name: str,
    data: Dataset,
    rate: float,
    recipe: dict[str, Any],
    memory: dict[str, float],
) -> Iterator[Row]:
    """An epoch. memory: images a second of images in memory, by model; the model that is compiled is the same."""
    spec, compiled = size.models[name], size.compiled[-1]
    steps = data.train.n // size.batch - FIRST
    images, _ = timed(data, build_vit(spec), device, size, steps=steps, compiled=compiled, **recipe)
    yield Row("shards", case, "images/s", images)
    yield Row("shards", case, "of the matrix rate", images * models.train_flops(spec) / rate)
    if name not in memory:
        memory[name], _ = ours(device, size, spec, build_vit(spec), steps=size.steps // 2, compiled=compiled)
    yield Row("shards", case, "of images in memory", images / memory[name])
