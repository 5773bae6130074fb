"""Random erasing in its plainest form: every generator is seeded for every image, and timm decides."""

import torch
from timm.data.random_erasing import RandomErasing
from torch import Tensor

from bench.data.settings import AugmentSettings
from bench.randomness import derive_seed, keys, own_generators


def plain_erase(
    images: Tensor, indices: Tensor, augment: AugmentSettings, device: torch.device, *, epoch: int, seed: int
) -> Tensor:
    """images: [B, C, H, W], changed in place; indices: int64 [B], on the CPU."""
    one = RandomErasing(augment.re_prob, mode=augment.re_mode, max_count=augment.re_count, device=device)
    with own_generators(device) as draw:
        for image, key in zip(images, keys(derive_seed(seed, "erase"), epoch, indices).tolist(), strict=True):
            draw(key)
            one(image)
    return images
