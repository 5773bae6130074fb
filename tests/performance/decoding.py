"""Decoding throughput: originals of 500x375 against what `bench prepare` made of them, by the code that workers run:
file to augmented uint8 image of `--size` pixels. What follows, on the device, is not timed.

    python -m tests.performance.decoding [--rounds 7] [--images 256] [--workers 0] [--quality 95] [--size 224]

Images are crops of scikit-learn's two photographs, so that JPEG has real detail to code. Interleaved rounds, median of
images per second of CPU time in all processes; with workers also by the clock.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from bench.data import AugmentSettings, DataSettings, load
from bench.data.pool import BatchRequest
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import prepare
from tests.performance.steal import Steal

WAYS = {
    "evaluation": None,
    "random crop, flip": AugmentSettings(crop="rrc", hflip=0.5),
    "and RandAugment, erasing": AugmentSettings(
        crop="rrc", hflip=0.5, auto_augment="rand-m9-mstd0.5-inc1", re_prob=0.25
    ),
}


def write(root: Path, images: int) -> None:
    rng = np.random.default_rng(0)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]  # 640x427
    for part, n in (("train", images), ("val", 8)):
        for i in range(n):
            photo = photos[i % 2]
            left, top = int(rng.integers(0, 140)), int(rng.integers(0, 52))
            folder = root / part / f"class{i % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            photo.crop((left, top, left + 500, top + 375)).save(folder / f"{i}.JPEG", quality=92)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def one(settings: DataSettings, augment: AugmentSettings | None) -> tuple[float, float]:
    """(CPU seconds, seconds) an image."""
    data = load(settings)
    requests = [BatchRequest("train", batch, 0, 0, augment) for batch in torch.arange(data.train.n).split(64)]
    assert data.pool is not None
    for _ in data.pool.run(requests[:1]):  # imports, and workers start
        pass
    before, clock = cpu(), time.perf_counter()
    for _ in data.pool.run(requests):
        pass
    wall = time.perf_counter() - clock
    data.close()
    return (cpu() - before) / data.train.n, wall / data.train.n


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--images", type=int, default=256)
    options.add_argument("--workers", type=int, default=0)
    options.add_argument("--quality", type=int, default=95)
    options.add_argument("--size", type=int, default=224, help="pixels of what models see")
    given = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, Steal() as steal:
        raw, out = Path(folder) / "raw", Path(folder) / "prepared"
        write(raw, given.images)
        fields = {"name": "photos", "source": "folder", "val_fraction": 0.02, "workers": given.workers}
        fields["img_size"] = given.size
        settings = {name: DataSettings(**fields, root=str(root)) for name, root in (("raw", raw), ("prepared", out))}
        clock = cpu()
        prepare(settings["raw"], Form(256, given.quality), out)
        spent = 1000 * (cpu() - clock) / (given.images + 8)
        print(f"prepared at 256 pixels, quality {given.quality}: {spent:.1f} ms of CPU an image; ", end="")
        before, after = (size(where) / 1e3 / (given.images + 8) for where in (raw, out))
        print(f"{before:.1f} kB an image before, {after:.1f} after")
        for name, augment in WAYS.items():
            found: dict[str, list[tuple[float, float]]] = {"raw": [], "prepared": []}
            for i in range(given.rounds):
                for which in ("raw", "prepared") if i % 2 else ("prepared", "raw"):
                    found[which].append(one(settings[which], augment))
            rates = {w: [statistics.median(column) for column in zip(*rows, strict=True)] for w, rows in found.items()}
            ratio = statistics.median(a[0] / b[0] for a, b in zip(found["raw"], found["prepared"], strict=True))
            text = ", ".join(f"{w} {1 / c:.0f} images per CPU second, {1 / s:.0f}/s" for w, (c, s) in rates.items())
            print(f"{name}: {text}; ratio {ratio:.2f}", flush=True)
    print(f"{given.rounds} interleaved rounds, medians; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
