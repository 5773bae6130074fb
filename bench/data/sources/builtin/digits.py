"""scikit-learn's digits: 1,797 images of 8x8 pixels in 17 grey levels. Needs no download.

The split is fixed: 360 test images, then 360 validation images, each stratified, by `train_test_split` with
random_state 0; 1,077 remain for training.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bench.data.survey import Survey

if TYPE_CHECKING:
    import numpy as np

WHITE = 16  # of 17 grey levels
SURVEY = Survey(
    classes=tuple("0123456789"),
    sizes={"train": 1077, "val": 360, "test": 360},
    per_class={
        "train": (107, 109, 106, 109, 109, 109, 109, 107, 104, 108),
        "val": (35, 37, 36, 37, 36, 36, 36, 36, 35, 36),
        "test": (36, 36, 35, 37, 36, 37, 36, 36, 35, 36),
    },
)


def survey() -> Survey:
    return SURVEY


@lru_cache(maxsize=1)
def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """part -> (uint8 [n, 1, 8, 8] in 0..16, int64 [n]). Importing scikit-learn takes a second: once per process."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pixels, labels = digits.images.astype(np.uint8)[:, None], digits.target.astype(np.int64)
    everything = np.arange(len(labels))
    rest, test = train_test_split(everything, test_size=360, stratify=labels, random_state=0)
    train, val = train_test_split(rest, test_size=360, stratify=labels[rest], random_state=0)
    return {part: (pixels[i], labels[i]) for part, i in (("train", train), ("val", val), ("test", test))}
