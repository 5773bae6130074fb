"""A data set ready for use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bench.data.description import Description, describe_survey, source_module
from bench.data.images import ArrayImages, ChosenImages, Images
from bench.data.manifest import changes
from bench.data.memory import TensorSplit
from bench.data.on_device.ahead import on_device
from bench.data.on_device.erase import Erase
from bench.data.on_device.normalise import Normalise
from bench.data.pool import BatchPool, BatchRequest, Samples
from bench.data.selection import Pieces, Selection, count, relabel, select
from bench.data.settings import RUNS_AT_ONCE, AugmentSettings, DataError, DataSettings
from bench.data.survey import File
from bench.processes import cores

PARTS = ("train", "val", "test")
MOST_WORKERS = 16


class Split(Protocol):
    """One part of a data set."""

    n: int
    labels: Tensor  # int64 [n], on the CPU

    def batches(
        self, order: Sequence[Tensor], *, epoch: int, seed: int, augment: AugmentSettings | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, labels) for each index tensor (int64 [B], CPU) in `order`, on the device.

        Images are normalised float32 [B, channels, size, size], labels int64 [B]. `augment` None means evaluation.
        An image's pixels depend on (seed, epoch, its index) and the settings only: not on the batch it is in, on the
        number of workers, or on where the iteration began. The global random generators are left as they are.
        An index of n or more is another draw of the sample `index % n`: the same image, augmented differently.
        """


class DecodedSplit:
    """One part of a data set whose images are decoded when they are asked for."""

    def __init__(self, part: str, pool: BatchPool, device: torch.device) -> None:
        images, chosen = pool.samples.parts[part]
        self.labels = images.labels[chosen]
        self.n = len(chosen)
        self._part, self._pool, self._device = part, pool, device
        self._normalise = Normalise(pool.samples.settings, device)

    def batches(
        self, order: Sequence[Tensor], *, epoch: int, seed: int, augment: AugmentSettings | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Split.batches`."""
        if augment is not None:
            augment.check(self._pool.samples.settings)
        requests = [BatchRequest(self._part, batch, epoch, seed, augment) for batch in order]
        erase = Erase(augment, self._device) if augment is not None and augment.re_prob else None
        batches = on_device(self._pool.run(requests), self._device)
        for request, (images, labels, boxes) in zip(requests, batches, strict=True):
            images = self._normalise(images)
            yield erase(images, boxes, request.indices, epoch=epoch, seed=seed) if erase else images, labels


@dataclass(frozen=True)
class Unchanged:
    """The files of a data set, and what they were when the jobs were planned."""

    settings: DataSettings
    files: Sequence[File]
    manifest: bytes

    def check(self) -> None:
        """Raises DataError naming a file that is not as it was."""
        for change in changes(self.files, self.manifest):
            raise DataError(
                f"{self.settings.name}: {change}: the images are not those that this job was planned with; bench run "
                "plans anew with those of now (a copy of a data set keeps its times by cp -p, rsync -a or tar)"
            )


@dataclass
class Dataset:
    """The parts of a data set on a device. `close` ends its decoding processes, and looks whether its files are still
    what they were."""

    train: Split
    val: Split
    test: Split
    description: Description
    settings: DataSettings
    pool: BatchPool | None = None
    unchanged: Unchanged | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.description.classes

    @property
    def class_id(self) -> str:
        return self.description.class_id

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of values in 0..1: what images were normalised by, as `std`."""
        return self.settings.mean

    @property
    def std(self) -> tuple[float, ...]:
        return self.settings.std

    def close(self) -> None:
        """Raises DataError where an image is not what it was when it was planned with."""
        if self.pool:
            self.pool.close()
        if self.unchanged:
            self.unchanged.check()


def load(
    settings: DataSettings,
    device: torch.device | str = "cpu",
    *,
    beside: int = 1,
    manifest: bytes | None = None,
    seed: int = 0,
) -> Dataset:
    """Open the data set; fetches it first where `download` says so. `beside` processes of a run are on this machine.

    manifest: size and time of each of its files as they were planned with (see `bench.data.manifest`).
    seed: of the draw of training images, where the settings ask for a few of each class.
    Raises DataMissing where it is not there, DataError where it is not what its description says, or has changed
    since it was planned with.
    """
    device = torch.device(device)
    source = source_module(settings)
    survey = source.survey(settings)
    unchanged = Unchanged(settings, source.files(settings, survey), manifest) if manifest is not None else None
    if unchanged:
        unchanged.check()
    description = describe_survey(settings, survey)
    opened = {part: source.open_part(settings, survey, part) for part in survey.sizes}
    selection = count(settings, survey)
    pieces = select(settings, {part: images.labels for part, images in opened.items()}, selection, seed)
    parts = {part: joined(opened, pieces[part], selection) for part in PARTS}
    counts = {part: len(parts[part][1]) for part in PARTS}
    if counts != dict(description.counts):
        raise DataError(f"{settings.name} has {counts} images, expected {dict(description.counts)}")
    pool = None
    if settings.in_memory:
        splits: dict[str, Split] = {part: _hold(*parts[part], settings, device) for part in PARTS}
    else:
        pool = BatchPool(Samples(parts, settings), _workers(settings, device, beside), pin_memory=device.type == "cuda")
        splits = {part: DecodedSplit(part, pool, device) for part in PARTS}
    return Dataset(splits["train"], splits["val"], splits["test"], description, settings, pool, unchanged)


def joined(opened: dict[str, Images], pieces: Pieces, selection: Selection) -> tuple[Images, Tensor]:
    """The images of a part, and which of them are used: what the source has, where it is one piece with its labels."""
    if len(pieces) == 1 and selection.classes is None:
        ((part, positions),) = pieces
        return opened[part], positions
    chosen = [(opened[part], positions) for part, positions in pieces]
    labels = torch.cat([relabel(images.labels[positions], selection) for images, positions in chosen])
    if all(isinstance(images, ArrayImages) for images, _ in chosen):
        pixels = torch.cat([images.pixels[positions] for images, positions in chosen])  # type: ignore[attr-defined]
        return ArrayImages(pixels, labels, chosen[0][0].white), torch.arange(len(labels))  # type: ignore[attr-defined]
    return ChosenImages(chosen, labels), torch.arange(len(labels))


def _hold(images: Images, chosen: Tensor, settings: DataSettings, device: torch.device) -> TensorSplit:
    """The part as one tensor: the stored array where it has the size, else each image as for evaluation."""
    labels = images.labels[chosen]
    if isinstance(images, ArrayImages) and images.pixels.shape[1:] == (
        settings.in_chans, settings.img_size, settings.img_size,
    ):  # fmt: skip
        return TensorSplit(images.pixels[chosen], labels, settings, device, images.white)
    samples = Samples({"all": (images, chosen)}, settings)
    blocks = torch.arange(len(chosen)).split(64)
    pixels = [samples.__getitems__(BatchRequest("all", block, 0, 0, None))[0] for block in blocks]
    return TensorSplit(torch.cat(pixels), labels, settings, device)


def _workers(settings: DataSettings, device: torch.device, beside: int) -> int:
    if settings.workers is not None:
        return settings.workers
    if device.type == "cpu":
        return 0
    runs = int(os.environ.get(RUNS_AT_ONCE, "1"))
    return max(1, min(MOST_WORKERS, cores() // (runs * beside)))
