"""A tiny image folder, made once: three classes of unequal size, JPEG and PNG, colour, grey and transparent."""

import numpy as np
import torch
from PIL import Image

from bench.data import DataSettings

COUNTS = {"train": {"ant": 9, "bee": 30, "cat2": 4}, "val": {"ant": 3, "bee": 5, "cat2": 2}}


def write_folder(root, counts, seed=0):
    rng = np.random.default_rng(seed)
    for part, classes in counts.items():
        for name, n in classes.items():
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 256, (24 + i % 5, 30, 4), dtype=np.uint8)
                mode, suffix = (("RGB", "JPEG"), ("L", "jpg"), ("RGBA", "png"))[i % 3]
                shape = {"RGB": pixels[..., :3], "L": pixels[..., 0], "RGBA": pixels}[mode]
                Image.fromarray(shape).save(folder / f"{i}.{suffix}")
    return root


def settings(root, **fields):
    return DataSettings.model_validate(
        {"name": "tiny", "source": "folder", "root": str(root), "img_size": 16, "val_fraction": 0.2, **fields}
    )


def batches(split, order, **kwargs):
    return [torch.cat(x) for x in zip(*split.batches(order, **kwargs), strict=True)]
