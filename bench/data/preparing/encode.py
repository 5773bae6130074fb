"""One image of a data set to what is kept of it when the data set is prepared."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

from bench.data.decode import open_image
from bench.data.images import Stored

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}  # where they are not the format's name


@dataclass(frozen=True)
class Form:
    """How images are kept: no larger than `short_side` pixels on the shorter side, as JPEG of that quality.

    An image that is not larger stays the file that it is, byte by byte.
    """

    short_side: int
    quality: int = 95
    interpolation: str = "bicubic"


@dataclass(frozen=True)
class Encoded:
    """An image to keep, or why there is none."""

    index: int
    label: int
    suffix: str = ""
    data: bytes = b""
    source: bytes = b""  # sha256 of the image as it was
    broken: str = ""


def encode(content: bytes | Image.Image, form: Form) -> tuple[str, bytes]:
    """(suffix, file) of an image, which is decoded whole in any case. Raises what PIL raises for a damaged one.

    Resized as timm's transform for evaluation does: where that asks for this size, it finds nothing to do.
    """
    from PIL import Image

    file = open_image(BytesIO(content)) if isinstance(content, bytes) else content
    with file as image:
        image.load()
        short, (width, height) = form.short_side, image.size
        if min(width, height) <= short:
            if isinstance(content, bytes):
                return SUFFIXES.get(str(image.format), str(image.format).lower()), content
            return "png", _saved(image, "PNG")  # nothing is lost
        size = (short, short * height // width) if width < height else (short * width // height, short)
        plain = image if image.mode == "L" else image.convert("RGB")
        small = plain.resize(size, Image.Resampling[form.interpolation.upper()])
        return "jpg", _saved(small, "JPEG", quality=form.quality)


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


class Encoder(Dataset):
    """Encodes images `start` to `stop` of a part, in whichever process."""

    def __init__(self, images: Stored, form: Form) -> None:
        self.images, self.form = images, form

    def __getitem__(self, span: tuple[int, int]) -> list[Encoded]:
        return [self.one(index) for index in range(*span)]

    def one(self, index: int) -> Encoded:
        label = int(self.images.labels[index])
        try:
            content = self.images.content(index)
            suffix, data = encode(content, self.form)
        except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, ... for what it cannot decode
            message = f"{self.images.name(index)}: not a readable image ({type(error).__name__}: {error})"
            return Encoded(index, label, broken=message)
        original = content if isinstance(content, bytes) else content.tobytes()
        return Encoded(index, label, suffix, data, sha256(original).digest())
