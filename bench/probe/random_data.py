"""Random images in memory with the shape of a data set, for timing what computes on them."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bench.data import AugmentSettings, DataSettings, Description
from bench.data.dataset import PARTS, Dataset
from bench.data.on_device.normalise import layout
from bench.probe import clock


class RandomSplit:
    """Like `bench.data.Split`; every batch shows the same few images and labels. It also holds the clock.

    After `time(skip, steps)`: `seconds` between the batch after the first `skip` and the end of the last of `steps`.
    """

    def __init__(self, n: int, description: Description, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self.n, self.device = n, device
        self.labels = torch.randint(description.num_classes, (n,), generator=generator)
        self.shape = (description.in_chans, description.img_size, description.img_size)
        self.images, self.shown = torch.empty(0), torch.empty(0, dtype=torch.int64)
        self.time(0, 0)

    def time(self, skip: int, steps: int) -> None:
        self.skip, self.steps, self.seen, self.seconds = skip, steps, 0, 0.0

    def batches(
        self, order: Sequence[Tensor], *, epoch: int, seed: int, augment: AugmentSettings | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for indices in order:
            if len(self.images) < len(indices):
                generator = torch.Generator().manual_seed(0)
                images = torch.randn(len(indices), *self.shape, generator=generator)
                self.images = images.to(self.device, memory_format=layout(self.device))
                self.shown = self.labels[indices % self.n].to(self.device)
            if self.seen == self.skip:
                self.began = self.now()
            yield self.images[: len(indices)], self.shown[: len(indices)]
            self.seen += 1
            if self.seen == self.steps:
                self.seconds = self.now() - self.began

    def now(self) -> float:
        return clock.seconds(self.device)


def random_data(settings: DataSettings, description: Description, device: torch.device) -> Dataset:
    train, val, test = (RandomSplit(description.counts[part], description, device) for part in PARTS)
    return Dataset(train, val, test, description, settings)
