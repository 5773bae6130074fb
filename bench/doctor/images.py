"""What the images of a data set are like, by opening them: sizes, channels, brightness, and those that cannot be read.

Torch is imported only for a source that does not name a file for each image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bench.data import DataError, DataSettings
from bench.data.decode import decode, open_image
from bench.data.description import source_module
from bench.doctor.finding import Finding
from bench.words import few

GREY = ("1", "L", "LA", "I;16", "I;16B", "I;16L")  # modes of PIL


@dataclass(frozen=True)
class SeenImage:
    """An image: width and height, PIL's mode, frames, whether all is grey; mean and mean square of each channel."""

    size: tuple[int, int]
    mode: str
    frames: int
    grey: bool
    mean: Any
    square: Any


@dataclass
class ImagesLook:
    """What was found of images; an image counts the same whatever its size."""

    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    animated: int = 0
    grey: bool = True
    troubles: list[str] = field(default_factory=list)
    seen: list[SeenImage] = field(default_factory=list)

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel (one for grey images), of values in 0..1."""
        import numpy as np

        mean = np.mean([image.mean for image in self.seen], axis=0)
        square = np.mean([image.square for image in self.seen], axis=0)
        std = np.sqrt(np.maximum(square - mean**2, 0)).clip(1e-3)  # all of one colour: nothing is divided by 0
        n = 1 if self.grey else 3
        return [round(float(x), 4) for x in mean[:n]], [round(float(x), 4) for x in std[:n]]


def look(paths: Sequence[str]) -> ImagesLook:
    """Open all of them, by threads: PIL decodes beside Python."""
    total = ImagesLook()
    with ThreadPoolExecutor() as threads:
        for image in threads.map(see, paths):
            if isinstance(image, str):
                total.troubles.append(image)
                continue
            total.sizes[image.size] += 1
            total.modes[image.mode] += 1
            total.animated += image.frames > 1
            total.grey &= image.grey
            total.seen.append(image)
    return total


def see(path: str) -> SeenImage | str:
    """What an image is, or why it cannot be decoded."""
    import numpy as np

    try:
        pixels = np.asarray(decode(lambda: path, path, "RGB"), dtype=np.float64) / 255
    except DataError as error:
        return str(error)
    with open_image(path) as image:
        size, mode, frames = image.size, image.mode, getattr(image, "n_frames", 1)
    grey = mode in GREY or bool((pixels == pixels[..., :1]).all())
    return SeenImage(size, mode, frames, grey, pixels.mean((0, 1)), (pixels**2).mean((0, 1)))


def one_of_each_class(settings: DataSettings) -> Iterator[Finding]:
    """Open the first training image of each class."""
    source = source_module(settings)
    survey = source.survey(settings)
    files = [file for file in source.files(settings, survey) if file.label is not None]
    if files:
        first = {file.label: file.path for file in reversed(files) if file.part == "train"}
        firsts = look([first[label] for label in sorted(first)])
        troubles, n = firsts.troubles, len(first)
    else:
        images = source.open_part(settings, survey, "train")
        places = {int(label): i for i, label in reversed(list(enumerate(images.labels.tolist())))}
        troubles, n = [], len(places)
        for place in places.values():
            try:
                images.read(place, "RGB")
            except DataError as error:
                troubles.append(str(error))
    if troubles:
        what = f"{settings.name}: of an image of each class {len(troubles)} of {n} cannot be read: "
        yield Finding("images", what + few(troubles, 3), "missing", "repair or remove them")
    else:
        yield Finding("images", f"{settings.name}: an image of each of the {n} classes was opened")
