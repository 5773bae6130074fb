"""Letters and digits in the typefaces that matplotlib ships: 4,224 grey images of 20x20 pixels in 44 classes.

Each of 44 characters is drawn 6 times in each of 16 faces (DejaVu Sans, Mono and Serif, STIX), turned by up to 12
degrees and shifted by up to 2 pixels. Of characters that look alike (0 and O, 1 and I, q and 9, small letters in the
shape of their capitals) one is left out. Parts differ in their faces: 10 for training (2,640 images), 2 for validation
(528), 4 for test (1,056), so that test asks for shapes that were never seen.

How a face is rasterised depends on the versions of Pillow and FreeType: the data set is identified by its pixels.
"""

from __future__ import annotations

import importlib.util
import io
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from bench.data.settings import DataMissing
from bench.data.survey import Survey
from bench.files import cache_folder, write_bytes

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageFont

CHARACTERS = "23456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnrt"
FACES = {
    "train": (
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Oblique",
        "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBolIta",
    ),
    "val": ("DejaVuSansMono-BoldOblique", "STIXGeneralBol"),
    "test": ("DejaVuSans-BoldOblique", "DejaVuSansMono-Bold", "DejaVuSerif-BoldItalic", "STIXGeneralItalic"),
}  # fmt: skip
DRAWS = 6  # of each character in each face
SIZE, WHITE = 20, 255
ANGLE, SHIFT = 12.0, 2.0  # degrees, pixels: at most, either way
POINTS = 15  # size of a face, in pixels of the image
FINE = 4  # drawn so many times larger, then averaged
SEED = 20


def survey() -> Survey:
    counts = {part: DRAWS * len(faces) for part, faces in FACES.items()}
    sizes = {part: n * len(CHARACTERS) for part, n in counts.items()}
    per_class = {part: [n] * len(CHARACTERS) for part, n in counts.items()}
    return Survey(tuple(CHARACTERS), sizes, per_class, content=_content(_drawn()))


def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """part -> (uint8 [n, 1, 20, 20], int64 [n]); images of a class in a row."""
    import numpy as np

    pixels, parts, first = _drawn(), {}, 0
    for part, faces in FACES.items():
        each = DRAWS * len(faces)
        n = each * len(CHARACTERS)
        parts[part] = (pixels[first : first + n], np.repeat(np.arange(len(CHARACTERS)), each))
        first += n
    return parts


@lru_cache(maxsize=1)
def _drawn() -> np.ndarray:
    """uint8 [4224, 1, 20, 20], parts in turn: from the cache of this user, else drawn (some seconds) and kept there."""
    import numpy as np

    folder = _folder()
    path = cache_folder() / f"glyphs-{_tools(folder)}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            pixels = file["pixels"]
            if _content(pixels) == str(file["content"]):
                return pixels
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    pixels, buffer = draw(folder), io.BytesIO()
    np.savez_compressed(buffer, pixels=pixels, content=_content(pixels))
    write_bytes(path, buffer.getvalue())
    return pixels


def draw(folder: Path) -> np.ndarray:
    """uint8 [4224, 1, 20, 20] from the faces in `folder`; the same for the same versions of Pillow and FreeType."""
    import numpy as np
    from PIL import ImageFont

    random, images = np.random.default_rng(SEED), []
    for faces in FACES.values():
        fonts = [ImageFont.truetype(str(folder / f"{face}.ttf"), POINTS * FINE) for face in faces]
        for character in CHARACTERS:
            for font in fonts:
                for turn, right, down in random.uniform(-1, 1, (DRAWS, 3)):
                    image = _glyph(character, font, ANGLE * turn, (SHIFT * right, SHIFT * down))
                    images.append(np.asarray(image, dtype=np.uint8))
    return np.stack(images)[:, None]


def _glyph(character: str, font: ImageFont.FreeTypeFont, degrees: float, shift: tuple[float, float]) -> Image.Image:
    """A white character on black: its box in the middle, then turned, then shifted by pixels of the image."""
    from PIL import Image, ImageDraw

    side = SIZE * FINE
    canvas = Image.new("L", (side, side))
    left, top, right, bottom = font.getbbox(character)
    middle = ((side - left - right) / 2, (side - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(middle, character, fill=WHITE, font=font)
    offset = (round(FINE * shift[0]), round(FINE * shift[1]))
    turned = canvas.rotate(degrees, Image.Resampling.BILINEAR, translate=offset)
    return turned.resize((SIZE, SIZE), Image.Resampling.BOX)


def _content(pixels: np.ndarray) -> str:
    return sha256(pixels.tobytes()).hexdigest()[:16]


def _folder() -> Path:
    """Where matplotlib keeps its faces, found without importing it."""
    spec = importlib.util.find_spec("matplotlib")
    folder = Path(spec.origin or "").parent / "mpl-data" / "fonts" / "ttf" if spec else Path()
    missing = [face for faces in FACES.values() for face in faces if not (folder / f"{face}.ttf").is_file()]
    if missing:
        where = f"of {folder}" if spec else "of matplotlib, which is not installed"
        raise DataMissing(f"glyphs are drawn with the typefaces {where}; not there: {', '.join(missing)}")
    return folder


def _tools(folder: Path) -> str:
    """What the pixels depend on besides this module's numbers: a short hash of versions and faces."""
    import numpy as np
    import PIL
    from PIL import features

    parts = [PIL.__version__, str(features.version("freetype2")), str(features.version("raqm")), np.__version__]
    parts += [repr((CHARACTERS, FACES, DRAWS, SIZE, ANGLE, SHIFT, POINTS, FINE, SEED))]
    digest = sha256("|".join(parts).encode())
    for faces in FACES.values():
        for face in faces:
            digest.update((folder / f"{face}.ttf").read_bytes())
    return digest.hexdigest()[:16]
