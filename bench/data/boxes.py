"""Which boxes random erasing takes out of the images of a batch, by timm; drawn where the images are decoded."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.data.settings import AugmentSettings
from bench.randomness import derive_seed, keys, own_generators


def erase_keys(seed: int, epoch: int, indices: Tensor) -> list[int]:
    """What erasing draws by, for each of `indices` (int64 [B]): other keys than those that crops are drawn by."""
    return keys(derive_seed(seed, "erase"), epoch, indices).tolist()


class Boxes:
    """Draws the boxes for images of (channels, height, width). Those of an image depend on (seed, epoch, its index)."""

    def __init__(self, augment: AugmentSettings, size: tuple[int, int, int]) -> None:
        from timm.data.random_erasing import RandomErasing

        self.size = size
        # where boxes lie does not hang on what fills them; nothing does so here
        self.one = RandomErasing(augment.re_prob, mode="const", max_count=augment.re_count, device="cpu")

    def __call__(self, indices: Tensor, *, epoch: int, seed: int) -> np.ndarray:
        """indices: int64 [B]. int64 [boxes, 5]: position in the batch, top, bottom, left, right; in the order in which
        they are filled. No tensor: processes send those as files of shared memory, and a loader pins them."""
        boxes: list[tuple[int, int, int, int, int]] = []
        with own_generators():
            for position, key in enumerate(erase_keys(seed, epoch, indices)):
                random.seed(key)  # timm asks no other generator where a box lies
                self.one(_Canvas(self.size, position, boxes))
        return np.array(boxes, dtype=np.int64).reshape(-1, 5)


class _Canvas:
    """Stands in for an image that timm erases: notes where."""

    dtype = torch.float32

    def __init__(self, size: tuple[int, int, int], position: int, boxes: list[tuple[int, int, int, int, int]]) -> None:
        self._size, self._position, self._boxes = size, position, boxes

    def size(self) -> tuple[int, int, int]:
        return self._size

    def __setitem__(self, where: tuple[slice, slice, slice], _: Any) -> None:
        _, rows, columns = where
        self._boxes.append((self._position, rows.start, rows.stop, columns.start, columns.stop))
