"""Random erasing, as timm's, after normalisation and so on the device: decoding processes send bytes, not floats.

They also send the boxes: the process that trains draws by one generator alone, and only for images that have some.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.data.boxes import erase_keys
from bench.data.settings import AugmentSettings
from bench.randomness import generators


class Erase:
    """Fills boxes in place. What it draws for an image depends on (seed, epoch, its index) and the kind of device."""

    def __init__(self, augment: AugmentSettings, device: torch.device) -> None:
        self.mode, self.device = augment.re_mode, device

    def __call__(self, images: Tensor, boxes: np.ndarray, indices: Tensor, *, epoch: int, seed: int) -> Tensor:
        """images: [B, C, H, W]; boxes: int64 [boxes, 5], see `Boxes`; indices: int64 [B], on the CPU."""
        if not len(boxes):
            return images
        image_keys = erase_keys(seed, epoch, indices)
        generator = generators(self.device)[-1]  # that of the device
        state, seeded = generator.get_state(), -1
        try:
            for position, top, bottom, left, right in boxes.tolist():
                if position != seeded:  # the boxes of an image follow each other, and share its seed
                    generator.manual_seed(image_keys[position])
                    seeded = position
                self._fill(images[position, :, top:bottom, left:right])
        finally:
            generator.set_state(state)
        return images

    def _fill(self, box: Tensor) -> None:
        """box: [C, h, w]. Drawn in a tensor of its own: what a generator gives hangs on how the memory lies."""
        if self.mode == "const":
            box.zero_()
            return
        shape = box.shape if self.mode == "pixel" else (len(box), 1, 1)
        box.copy_(torch.empty(shape, dtype=box.dtype, device=self.device).normal_())
