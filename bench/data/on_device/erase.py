"""Random erasing, by timm, after normalisation and so on the device: decoding processes send bytes, not floats."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from bench.data.settings import AugmentSettings
from bench.randomness import derive_seed, keys, own_generators


class Erase:
    """Erases in place. What it draws for an image depends on (seed, epoch, its index) and the kind of device alone."""

    def __init__(self, augment: AugmentSettings, device: torch.device) -> None:
        from timm.data.random_erasing import RandomErasing

        self.device = device
        self.one = RandomErasing(augment.re_prob, mode=augment.re_mode, max_count=augment.re_count, device=device)

    def __call__(self, images: Tensor, indices: Tensor, *, epoch: int, seed: int) -> Tensor:
        """images: [B, C, H, W]; indices: int64 [B], on the CPU."""
        erase_keys = keys(derive_seed(seed, "erase"), epoch, indices).tolist()  # not those that crops are drawn by
        erased = self._erased(erase_keys)
        if erased:
            with own_generators(self.device) as draw:
                for position in erased:
                    draw(erase_keys[position])
                    self.one(images[position])
        return images

    def _erased(self, erase_keys: list[int]) -> list[int]:
        """Positions of the images that are erased at all. timm asks so before all else, by Python's generator, which is
        asked here alone: for the others no generator of torch and numpy is seeded, nor timm called."""
        probability = self.one.probability
        if probability >= 1:
            return list(range(len(erase_keys)))
        first, erased = random.Random(), []
        for position, key in enumerate(erase_keys):
            first.seed(key)
            if first.random() <= probability:
                erased.append(position)
        return erased
