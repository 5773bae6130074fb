"""Where the pixels of one part of a data set come from: labels, and random access to images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.data.settings import DataError

if TYPE_CHECKING:
    from PIL import Image


class Images(Protocol):
    """One part of a data set; images are counted from 0."""

    labels: Tensor  # int64 [n]

    def read(self, index: int, mode: str) -> Image.Image:
        """The image as PIL has it, in mode "L" or "RGB". Raises DataError naming what cannot be decoded."""

    def name(self, index: int) -> str:
        """What to call the image in messages."""


class Stored(Images, Protocol):
    """Images that are stored one by one, each in an image format."""

    def content(self, index: int) -> bytes | Image.Image:
        """The image as it is stored, or as PIL has it where its source does not give that away."""


class ArrayImages:
    """Images of one size that are stored as one array.

    pixels: uint8 [n, channels, height, width]; white: the value of full brightness.
    """

    def __init__(self, pixels: np.ndarray | Tensor, labels: Any, white: int = 255) -> None:
        self.pixels = torch.as_tensor(pixels).contiguous()
        self.labels = torch.as_tensor(labels, dtype=torch.int64)
        self.white = white

    def read(self, index: int, mode: str) -> Image.Image:
        from PIL import Image

        pixels = self.pixels[index].permute(1, 2, 0).numpy()
        return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert(mode)

    def name(self, index: int) -> str:
        return f"image {index}"


class FileImages:
    """Image files below a folder."""

    def __init__(self, folder: Path, names: Sequence[str], labels: Sequence[int]) -> None:
        self.folder = folder
        # one block of bytes: a list of a million strings would be copied into each worker, page by page
        self.names = np.array([os.fsencode(name) for name in names])
        self.labels = torch.tensor(labels, dtype=torch.int64)

    def read(self, index: int, mode: str) -> Image.Image:
        return decode(lambda: self._path(index), self.name(index), mode)

    def name(self, index: int) -> str:
        return str(self._path(index))

    def content(self, index: int) -> bytes:
        return self._path(index).read_bytes()

    def _path(self, index: int) -> Path:
        return self.folder / os.fsdecode(bytes(self.names[index]))


class IndexedImages:
    """Images behind a function: index -> something that PIL can open, or an image."""

    def __init__(self, get: Callable[[int], Any], labels: Any, part: str) -> None:
        self.get, self.part = get, part
        self.labels = torch.as_tensor(labels, dtype=torch.int64)

    def read(self, index: int, mode: str) -> Image.Image:
        return decode(lambda: self.get(index), self.name(index), mode)

    def name(self, index: int) -> str:
        return f"{self.part}: image {index}"

    def content(self, index: int) -> bytes | Image.Image:
        source = self.get(index)
        if isinstance(source, BytesIO):
            return source.getvalue()
        return Path(source).read_bytes() if isinstance(source, str | os.PathLike) else source


class ChosenImages:
    """Some images of several others, one after the other, with labels of their own (int64 [n])."""

    def __init__(self, pieces: Sequence[tuple[Images, Tensor]], labels: Tensor) -> None:
        self.images = [images for images, _ in pieces]
        self.piece = torch.cat([torch.full((len(at),), i) for i, (_, at) in enumerate(pieces)])
        self.position = torch.cat([at for _, at in pieces])
        self.labels = labels

    def read(self, index: int, mode: str) -> Image.Image:
        return self._of(index).read(int(self.position[index]), mode)

    def name(self, index: int) -> str:
        return self._of(index).name(int(self.position[index]))

    def _of(self, index: int) -> Images:
        return self.images[int(self.piece[index])]


# of the files that sources list, and that other sources may hold; PIL would start Ghostscript for an EPS file
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "PPM", "TIFF")


def open_image(file: Any) -> Image.Image:
    """Open a path or a file, by content, as one of FORMATS. Raises what PIL raises for anything else."""
    from PIL import Image

    return Image.open(file, formats=FORMATS)


def decode(source: Callable[[], Any], name: str, mode: str) -> Image.Image:
    """Open what `source` gives (a path, a file or an image) and convert it. Raises DataError with `name`."""
    from PIL import Image

    try:
        file = source()
        with file if isinstance(file, Image.Image) else open_image(file) as image:
            image.load()
            return image if image.mode == mode else image.convert(mode)  # which would copy it
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, ... for what it cannot decode
        raise DataError(f"{name}: not a readable image ({type(error).__name__}: {error})") from None
