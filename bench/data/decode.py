"""From an image file to pixels of 8 bits, whatever it holds. Torch is not needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.data.settings import DataError

if TYPE_CHECKING:
    from PIL import Image


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
            image = eight_bits(image)
            return image if image.mode == mode else image.convert(mode)  # which would copy it
    except Exception as error:  # PIL raises OSError, SyntaxError, ValueError, ... for what it cannot decode
        raise DataError(f"{name}: not a readable image ({type(error).__name__}: {error})") from None


def eight_bits(image: Image.Image) -> Image.Image:
    """An image of 16 bits with 8, by its whole range: PIL itself makes everything above 255 white. Raises ValueError
    for pixels whose range is not known."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels are {'integers of 32 bits' if image.mode == 'I' else 'floats'}; expected 8 or 16 bits"
        )
    return image
