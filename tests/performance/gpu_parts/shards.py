"""Training through prepared shards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from bench import models
from bench.data import Dataset, DataSettings, load
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import prepare
from bench.processes import cores
from methods.vit import VitSpec, build_vit
from tests.performance.decoding import write
from tests.performance.gpu_parts.rates import FIRST, matrix_rate, ours, timed
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Size


def shards(device: torch.device, size: Size) -> Iterator[Row]:
    """DeiT on JPEGs that workers decode and augment, against images in memory and FLOPs at the matrix rate."""
    workers, compiled = max(0, cores() - 2), size.compiled[-1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        data = prepared(Path(folder), device, size, workers)
        rate = matrix_rate(device, size)
        for name, spec in size.models.items():
            case = f"{name}{', compiled' if compiled else ''}, {workers} workers"
            yield from attempt("shards", case, against_memory(device, size, case, spec, data, rate, compiled))
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
    return load(DataSettings(**fields, root=str(out), workers=workers), device)


def against_memory(
    device: torch.device, size: Size, case: str, spec: VitSpec, data: Dataset, rate: float, compiled: bool
) -> Iterator[Row]:
    """An epoch. The model has more classes than the photographs, so that it is the one that is compiled for images in
    memory."""
    augment = {"crop": "rrc", "hflip": 0.5}
    steps = data.train.n // size.batch - FIRST
    images, _ = timed(data, build_vit(spec), device, size, steps=steps, compiled=compiled, augment=augment)
    yield Row("shards", case, "images/s", images)
    yield Row("shards", case, "of the matrix rate", images * models.train_flops(spec) / rate)
    memory, _ = ours(device, size, spec, build_vit(spec), steps=size.steps // 2, compiled=compiled)
    yield Row("shards", case, "of images in memory", images / memory)
