"""Images that are held as one tensor on the device: a batch is one gather, augmented or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.data.on_device.normalise import Normalise
from bench.data.settings import AugmentSettings, DataSettings
from bench.randomness import uniform

GROUP = 1 << 20  # values that are prepared at once, at least a batch


class TensorSplit:
    """One part of a data set, held whole.

    pixels: uint8 [n, channels, height, width]; labels: int64 [n]; white: the pixel value of full brightness.
    """

    def __init__(self, pixels: Tensor, labels: Tensor, settings: DataSettings, device: torch.device, white: int = 255):
        self.labels = labels
        self.n = len(labels)
        self._settings = settings
        self._pixels = pixels.to(device)
        self._labels = labels.to(device)
        self._normalise = Normalise(settings, device, white)

    def batches(
        self, order: Sequence[Tensor], *, epoch: int, seed: int, augment: AugmentSettings | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Split.batches`."""
        if augment is not None:
            augment.check(self._settings)
        augment = augment if augment != AugmentSettings() else None
        shift = augment.shift if augment else 0
        padded = F.pad(self._pixels, [shift] * 4) if shift else self._pixels  # black moves in, before normalisation
        if not order:
            return
        # All at once: a GPU has to be waited for with every copy to it from ordinary memory.
        index = torch.cat(list(order)).to(padded.device)
        for part, sizes in self._groups(index, [len(batch) for batch in order]):
            here = part % self.n
            if augment is None:
                pixels = padded[here]
            else:
                rows, cols = self._places(part, epoch, seed, augment)
                channels = torch.arange(padded.shape[1], device=padded.device)[None, :, None, None]
                pixels = padded[here[:, None, None, None], channels, rows, cols]
            yield from zip(self._normalise(pixels).split(sizes), self._labels[here].split(sizes), strict=True)

    def _groups(self, index: Tensor, sizes: Sequence[int]) -> Iterator[tuple[Tensor, list[int]]]:
        """Consecutive batches that are prepared in one go: small images cost more in calls than in work. The index of
        all their images, and the size of each."""
        group: list[int] = []
        start = images = 0
        for size in sizes:
            if group and (images + size) * self._pixels[0].numel() > GROUP:
                yield index[start : start + images], group
                group, start, images = [], start + images, 0
            group.append(size)
            images += size
        yield index[start:], group

    def _places(self, index: Tensor, epoch: int, seed: int, augment: AugmentSettings) -> tuple[Tensor, Tensor]:
        """Rows [n, 1, height, 1] and columns [n, 1, 1, width] of the padded images that are seen, for a whole epoch."""
        height, width = self._pixels.shape[-2:]
        draws, device = uniform(seed, epoch, index, 3), index.device
        down, right = (draws[:, :2] * (2 * augment.shift + 1)).long().unbind(1)
        rows = torch.arange(height, device=device) + down[:, None]
        flip = (draws[:, 2] < augment.hflip)[:, None]
        across = torch.arange(width, device=device).expand(len(index), width)
        cols = torch.where(flip, across.flip(1), across) + right[:, None]
        return rows[:, None, :, None], cols[:, None, None, :]
