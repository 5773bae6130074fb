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
    """PIL image -> uint8 [channels, size, size], to be normalised on the device.

    With random erasing, which fills with normalised values, it is normalised float32 already. None: as for evaluation.
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
        re_prob=augment.re_prob,
        re_mode=augment.re_mode,
        re_count=augment.re_count,
        use_prefetcher=augment.re_prob == 0,
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
def own_generators() -> Iterator[Callable[[int], None]]:
    """Gives a function that seeds Python's, numpy's and torch's CPU generators; afterwards they are as they were."""
    states = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield _seed
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.default_generator.set_state(states[2])


def _seed(key: int) -> None:
    random.seed(key)
    np.random.seed(key % 2**32)
    torch.default_generator.manual_seed(key)
