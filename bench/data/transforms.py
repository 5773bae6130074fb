"""timm's image transforms, from our settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
