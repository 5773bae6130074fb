"""Image folders as data sets come in: part/class/image, JPEG."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(root: Path, classes: list[str], counts: dict[str, int], size: int = 40, seed: int = 0) -> Path:
    """`counts` images of every class in each part. Those of one class share a colour: there is something to learn."""
    rng = np.random.default_rng(seed)
    colours = rng.uniform(40, 215, (len(classes), 3))
    for part, n in counts.items():
        for name, colour in zip(classes, colours, strict=True):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = colour + rng.normal(0, 25, (size + i % 3, size + 4, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{name}_{i}.JPEG", quality=90)
    return root
