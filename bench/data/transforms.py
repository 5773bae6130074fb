"""timm's image transforms, from our settings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from bench.data.settings import AugmentSettings, DataSettings

if TYPE_CHECKING:
    from PIL import Image


def build(data: DataSettings, augment: AugmentSettings | None) -> Callable[[Image.Image], Tensor]:
    """PIL image -> uint8 [channels, size, size]. Normalised, and erased at random, it is on the device.

    None: as for evaluation.
    """
    from timm.data import auto_augment, create_transform
    from torchvision.transforms import Compose

    for name in ("Posterize", "PosterizeIncreasing", "PosterizeOriginal"):
        auto_augment.NAME_TO_OP[name] = posterize
    size: dict[str, Any] = {"input_size": data.img_size, "mean": data.mean, "std": data.std}
    evaluation = create_transform(**size, interpolation=data.interpolation, crop_pct=data.crop_pct, use_prefetcher=True)
    if augment is None or augment == AugmentSettings():
        return evaluation
    crop, vary, finish = create_transform(
        **size,
        is_training=True,
        separate=True,
        train_crop_mode=augment.crop,
        scale=augment.scale,
        ratio=augment.ratio,
        interpolation=augment.interpolation or data.interpolation,
        hflip=augment.hflip,
        color_jitter=augment.color_jitter,  # type: ignore[arg-type]  # None is allowed, and means none
        auto_augment=augment.auto_augment,
        use_prefetcher=True,
    )
    if augment.crop is None:  # timm always crops at random first; ours is then the resize and crop of evaluation
        crop = Compose(evaluation.transforms[:-1] + crop.transforms[1:])
    return Compose([crop, vary, finish])


def posterize(image: Image.Image, bits_to_keep: int, **_: Any) -> Image.Image:
    """Keep the highest bits of every value. At full strength timm keeps none, which Pillow 13 refuses: black."""
    from PIL import Image, ImageOps

    if bits_to_keep >= 8:
        return image
    return ImageOps.posterize(image, bits_to_keep) if bits_to_keep else Image.new(image.mode, image.size)


@contextmanager
def own_generators(device: torch.device | None = None) -> Iterator[Callable[[int], None]]:
    """Gives a function that seeds Python's, numpy's and torch's generators, the CPU's and the device's; afterwards they
    are as they were."""
    of_torch = generators(device)
    states = random.getstate(), np.random.get_state(), [generator.get_state() for generator in of_torch]

    def seed(key: int) -> None:
        random.seed(key)
        np.random.seed(key % 2**32)
        for generator in of_torch:
            generator.manual_seed(key)

    try:
        yield seed
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        for generator, state in zip(of_torch, states[2], strict=True):
            generator.set_state(state)


def generators(device: torch.device | None = None) -> list[torch.Generator]:
    """torch's global generators: the CPU's, and the device's where that is a GPU."""
    on_gpu = device is not None and device.type == "cuda"
    return [torch.default_generator, *([torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else [])]
