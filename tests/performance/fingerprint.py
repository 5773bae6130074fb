"""How long the fingerprint of many small files takes, with an empty cache of hashes and with a filled one.

    python -m tests.performance.fingerprint [FILES] [BYTES]

Files are in the page cache: they were just written. Expected on 2 idle cores, 100,000 files of 1,000 bytes: at most
20 s with an empty cache and 2 s with a filled one, the listing of the folders included.
"""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.data import DataSettings, describe
from bench.data import fingerprint as module

CLASSES = 100


def write(root: Path, files: int, size: int) -> None:
    """Files of random bytes with the names of images, a tenth of them to test on."""
    generator = random.Random(0)
    for i in range(files):
        folder = root / ("test" if i % 10 == 9 else "train") / f"{i // 10 % CLASSES:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:07}.jpg").write_bytes(generator.randbytes(size))


def measure(files: int, size: int) -> tuple[float, float]:
    """Seconds of the first look and of the second."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photos"
        write(root, files, size)
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        time.sleep(module.FRESH + 0.1)  # what was written so lately is not trusted
        settings = DataSettings.model_validate({"name": "photos", "source": "folder", "root": str(root)})
        seconds, prints = [], []
        for _ in range(2):
            began = time.perf_counter()
            prints.append(describe(settings).fingerprint)
            seconds.append(time.perf_counter() - began)
        assert prints[0] == prints[1]
    return seconds[0], seconds[1]


if __name__ == "__main__":
    count, length = [*map(int, sys.argv[1:]), *(100_000, 1000)[len(sys.argv) - 1 :]]
    empty, filled = measure(count, length)
    print(f"{count:,} files of {length:,} bytes: {empty:.2f} s with an empty cache, {filled:.2f} s with a filled one")
