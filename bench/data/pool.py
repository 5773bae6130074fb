"""Decoding processes that live as long as the data set: torch's DataLoader, fed with whole batches."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.data.boxes import Boxes
from bench.data.images import Images
from bench.data.settings import AugmentSettings, DataSettings
from bench.data.transforms import build
from bench.randomness import keys, own_generators

Batch = tuple[Tensor, Tensor, np.ndarray]  # images uint8 [B, C, H, W], labels int64 [B], boxes int64 [boxes, 5]
NO_BOXES = np.empty((0, 5), dtype=np.int64)
LOOK = 2.0  # seconds between a worker's looks at whether its main process lives


@dataclass(frozen=True)
class BatchRequest:
    """One batch: which images of which part, varied how. Says all that its pixels depend on."""

    part: str
    indices: Tensor  # int64 [B]: a sample of the part, plus a multiple of their number for a further draw of it
    epoch: int
    seed: int
    augment: AugmentSettings | None


class Samples(Dataset):
    """Answers a request, in whichever process. parts: part -> (images, index of the part's samples in them)."""

    def __init__(self, parts: dict[str, tuple[Images, Tensor]], settings: DataSettings) -> None:
        self.parts, self.settings = parts, settings
        self.mode = "L" if settings.in_chans == 1 else "RGB"
        self._ways: dict[AugmentSettings | None, tuple[Callable[[Any], Tensor], Boxes | None]] = {}

    def __getitems__(self, request: BatchRequest) -> Batch:
        """The DataLoader calls it with what the batch sampler gave."""
        images, chosen = self.parts[request.part]
        if request.augment not in self._ways:
            self._ways[request.augment] = self._way(request.augment)
        transform, draw_boxes = self._ways[request.augment]
        where = chosen[request.indices % len(chosen)].tolist()
        pixels = []
        with own_generators() as seed:
            for key, index in zip(keys(request.seed, request.epoch, request.indices).tolist(), where, strict=True):
                seed(key)
                pixels.append(transform(images.read(index, self.mode)))
        boxes = draw_boxes(request.indices, epoch=request.epoch, seed=request.seed) if draw_boxes else NO_BOXES
        return torch.stack(pixels), images.labels[where], boxes

    def _way(self, augment: AugmentSettings | None) -> tuple[Callable[[Any], Tensor], Boxes | None]:
        """How an image is varied, and which boxes of it are to be erased."""
        size = self.settings.in_chans, self.settings.img_size, self.settings.img_size
        return build(self.settings, augment), Boxes(augment, size) if augment and augment.re_prob else None


class _Feed:
    """A batch sampler that gives whatever it was last told to."""

    def __init__(self) -> None:
        self.requests: Iterable[BatchRequest] = ()

    def __iter__(self) -> Iterator[BatchRequest]:
        return iter(self.requests)


class BatchPool:
    """Runs requests in `workers` processes (0: in this one), in order, some batches ahead.

    The processes are kept between epochs and serve all parts. A second iteration begun during a first gets its own.
    """

    def __init__(self, samples: Samples, workers: int, pin_memory: bool) -> None:
        self.samples, self.workers, self.pin_memory = samples, workers, pin_memory
        self._idle: list[tuple[DataLoader, _Feed]] = []

    def run(self, requests: Iterable[BatchRequest]) -> Iterator[Batch]:
        loader, feed = self._idle.pop() if self._idle else self._start()
        feed.requests = requests
        try:
            yield from loader
        except GeneratorExit:  # left early: what is under way is thrown away when the processes are next used
            self._idle.append((loader, feed))
            raise
        self._idle.append((loader, feed))  # after an error the processes end with `loader`

    def close(self) -> None:
        """End the processes that wait."""
        self._idle.clear()

    def _start(self) -> tuple[DataLoader, _Feed]:
        feed = _Feed()
        loader = DataLoader(
            self.samples,
            batch_sampler=feed,  # type: ignore[arg-type]  # a request stands for a list of indices
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            collate_fn=_as_it_is,
            pin_memory=self.pin_memory,
            worker_init_fn=obey_main_process_only,
            generator=torch.Generator(),  # else the loader draws from torch's global generator
        )
        return loader, feed


def _as_it_is(batch: Any) -> Any:
    return batch


def obey_main_process_only(worker: int) -> None:
    """A scheduler or a terminal signals all processes of a job. That is for the main process, which saves its state,
    for which it may want the batch under way, and ends the workers: they heed only SIGTERM, and only from it."""
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:  # one that was killed cannot end its workers
            heard = signal.sigtimedwait({signal.SIGTERM}, LOOK)
            if heard is not None and heard.si_pid == parent:
                break
        os._exit(0)

    Thread(target=wait, daemon=True).start()
