"""timm's own train.py on the device, where the script was given one."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import torch

from methods.vit import VitSpec, build_vit
from tests.performance.against_timm import command_line, loaded
from tests.performance.gpu_parts.rates import Batches, clock, ours
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size

EPOCHS = 2  # of which the last is timed


def train_py(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """Against ours, which is measured first, of all sizes: train.py sets what all of its process computes with."""
    if size.train_py is None:
        yield Row("train_py", "", "no train.py was given (--train-py FILE)", 0.0)
        return
    version = hashlib.sha256(size.train_py.read_bytes()).hexdigest()[:12]
    known: dict[str, float] = {}
    cases: dict[str, Iterator[Row]] = {name: own(device, size, name, known) for name in size.models}
    for name in size.models:
        case = f"{name}, train.py {version}"
        cases[case] = its(device, size, case, name, known)
    yield from attempts("train_py", cases)


def own(device: torch.device, size: Size, name: str, known: dict[str, float]) -> Iterator[Row]:
    spec = size.models[name]
    known[name], _ = ours(device, size, spec, build_vit(spec), steps=size.steps, compiled=False)
    yield Row("train_py", name, "images/s", known[name])


def its(device: torch.device, size: Size, case: str, name: str, known: dict[str, float]) -> Iterator[Row]:
    images = rate(device, size, size.models[name])
    yield Row("train_py", case, "images/s", images)
    if name in known:
        yield Row("train_py", case, "ours, times it", known[name] / images, ">= 1.2")


def rate(device: torch.device, size: Size, spec: VitSpec) -> float:
    """Images a second of its train_one_epoch, as its `main` calls it; no data set is opened and nothing evaluated."""
    train = loaded(str(size.train_py))
    train_one_epoch, seconds = train.train_one_epoch, 0.0

    def timed(epoch: int, model: Any, loader: Any, *given: Any, **named: Any) -> Any:
        nonlocal seconds
        began = clock(device)
        result = train_one_epoch(epoch, model, loader, *given, **named)
        seconds = clock(device) - began
        return result

    train.create_dataset = lambda *_, **__: ()
    train.create_loader = lambda *_, **__: Batches(device, spec, size.batch, size.steps)
    train.validate = lambda *_, **__: {"loss": 0.0, "top1": 0.0, "top5": 0.0}
    train.train_one_epoch = timed
    settings = {
        "device": device.type,
        "amp": size.precision == "bf16",
        "amp_dtype": "bfloat16",
        "img_size": spec.img_size,
    }
    before = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        widths = (spec.embed_dim, spec.depth, spec.num_heads, spec.patch_size)
        words = command_line(folder, widths, spec.num_classes, size.batch, EPOCHS, settings)
        sys.argv = [str(size.train_py), "--data-dir", folder, *words]
        try:
            train.main()
        except SystemExit as error:
            if not isinstance(error.code, int):  # this part is ended
                raise
            raise RuntimeError("it does not know the options that it is given; what it says is above") from error
        finally:
            sys.argv = before
    if not seconds:
        raise RuntimeError(f"{size.train_py} trained nothing: expected timm's train.py, which calls train_one_epoch")
    return size.steps * size.batch / seconds
