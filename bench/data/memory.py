"""Images that are held as one tensor on the device: a batch is one gather, augmented or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.data.counter import uniform
from bench.data.normalise import Normalise
from bench.data.settings import AugmentSettings, DataSettings


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
        sizes = [len(batch) for batch in order]
        if not sizes:
            return
        index = torch.cat(list(order))
        here = index.to(self._pixels.device)
        labels = self._labels[here].split(sizes)
        if augment is None or augment == AugmentSettings():
            for i, y in zip(here.split(sizes), labels, strict=True):
                yield self._normalise(self._pixels[i]), y
            return
        augment.check(self._settings)
        padded = F.pad(self._pixels, [augment.shift] * 4)  # before normalisation: black moves in
        rows, cols = (x.to(here.device).split(sizes) for x in self._places(index, epoch, seed, augment))
        channels = torch.arange(padded.shape[1], device=here.device)[None, :, None, None]
        for i, r, c, y in zip(here[:, None, None, None].split(sizes), rows, cols, labels, strict=True):
            yield self._normalise(padded[i, channels, r, c]), y

    def _places(self, index: Tensor, epoch: int, seed: int, augment: AugmentSettings) -> tuple[Tensor, Tensor]:
        """Rows [n, 1, height, 1] and columns [n, 1, 1, width] of the padded images that are seen, for a whole epoch."""
        height, width = self._pixels.shape[-2:]
        draws = uniform(seed, epoch, index, 3)
        down, right = (draws[:, :2] * (2 * augment.shift + 1)).long().unbind(1)
        rows = torch.arange(height) + down[:, None]
        flip = (draws[:, 2] < augment.hflip)[:, None]
        across = torch.arange(width).expand(len(index), width)
        cols = torch.where(flip, across.flip(1), across) + right[:, None]
        return rows[:, None, :, None], cols[:, None, None, :]
