"""Data sets of torchvision, from the files that torchvision keeps below `root`."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.known import TORCH_SETS
from bench.data.settings import DataError, DataMissing, DataSettings
from bench.data.survey import File, Survey

if TYPE_CHECKING:
    from bench.data.images import Images


def survey(settings: DataSettings) -> Survey:
    """From what is known of the set; only whether its folder is there is looked up. `open_part` checks the counts."""
    known = TORCH_SETS[settings.known]
    root = settings.path
    if not settings.download and not (root / known.folder).exists():
        raise DataMissing(
            f"{settings.name}: no {known.folder} in {root}; expected what torchvision's {known.cls} keeps there"
        )
    classes = known.classes or tuple(f"{settings.known}/{i}" for i in range(len(known.train)))
    return Survey(classes, known.sizes, known.per_class)


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """Whatever torchvision reads; nothing where that is still to be fetched."""
    root = settings.path
    paths = [path for pattern in TORCH_SETS[settings.known].files for path in sorted(root.glob(pattern))]
    return [File(str(path), path.relative_to(root).as_posix()) for path in paths]


def fetch(settings: DataSettings) -> None:
    """Download the data set where it is not there. Raises DataMissing where that fails."""
    known = TORCH_SETS[settings.known]
    if all(any(settings.path.glob(pattern)) for pattern in known.files):
        return
    import torchvision.datasets

    try:
        with _one_at_a_time(settings.path):
            for options in known.parts.values():
                getattr(torchvision.datasets, known.cls)(str(settings.path), download=True, **options)
    except (RuntimeError, OSError) as error:
        raise DataMissing(f"{settings.name}: {error} (root: {settings.path})") from None


def open_part(settings: DataSettings, survey: Survey, part: str) -> Images:
    import torchvision.datasets

    from bench.data.images import ArrayImages, IndexedImages

    known, root = TORCH_SETS[settings.known], settings.path
    cls = getattr(torchvision.datasets, known.cls)
    try:
        if settings.download:
            with _one_at_a_time(root):
                cls(str(root), download=True, **known.parts[part])
        dataset = cls(str(root), **known.parts[part])
    except RuntimeError as error:  # torchvision's word for missing or damaged
        raise DataMissing(f"{settings.name}: {error} (root: {root})") from None
    labels = next(getattr(dataset, a) for a in ("targets", "labels", "_labels") if hasattr(dataset, a))
    if len(dataset) != known.sizes[part]:
        raise DataError(f"{settings.name}: {part} has {len(dataset)} images in {root}, expected {known.sizes[part]}")
    if hasattr(dataset, "data"):
        return ArrayImages(_channels_first(dataset.data), labels)
    return IndexedImages(_Reader(dataset), labels, f"{settings.name}/{part}")


class _Reader:
    """index -> file, where torchvision lists files, else image. A class, so that spawned workers can have it."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.files = getattr(dataset, "_image_files", None)

    def __call__(self, index: int) -> Any:
        return self.dataset[index][0] if self.files is None else self.files[index]


def _channels_first(pixels: Any) -> Any:
    """torchvision's arrays as [n, channels, height, width]; they are [n, h, w], [n, h, w, c] or [n, c, h, w]."""
    if pixels.ndim == 3:
        return pixels[:, None]
    return pixels if pixels.shape[1] == 3 else pixels.transpose(0, 3, 1, 2)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """The runs of a sweep start together; one of them fetches, the others wait and find the files."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".download.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
