"""Random erasing of a batch on the CPU: the harness's, against the plain loop that its test holds it against.

    python -m tests.performance.erasing [--rounds 21] [--batch 512] [--size 128]

CPU milliseconds for a batch of `--size` pixels in interleaved rounds in turning order; medians, least and most. `plain`
seeds every generator for every image in the process that trains, and calls timm there. Ours draws `boxes` where images
are decoded, which is in other processes on a GPU, and does the `rest` in the process that trains. For a GPU that makes
the same calls, but what is drawn and written is the device's work.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch

from bench.data.boxes import Boxes
from bench.data.on_device.erase import Erase
from bench.data.settings import AugmentSettings
from tests.bench.data.on_device.plain_erase import plain_erase
from tests.performance.steal import Steal

PROBABILITIES = (0.0, 0.25, 1.0)
CPU = torch.device("cpu")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU milliseconds of this process, and what the work gives."""
    clock = time.process_time()
    value = work()
    return 1000 * (time.process_time() - clock), value


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=21)
    options.add_argument("--batch", type=int, default=512)
    options.add_argument("--size", type=int, default=128, help="pixels, height and width")
    given = options.parse_args()
    torch.set_num_threads(1)
    images, indices = torch.zeros(given.batch, 3, given.size, given.size), torch.arange(given.batch)
    with Steal() as steal:
        for probability in PROBABILITIES:
            augment = AugmentSettings(re_prob=probability)
            draw_boxes, erase = Boxes(augment, (3, given.size, given.size)), Erase(augment, CPU)
            took: dict[str, list[float]] = {"plain": [], "boxes": [], "rest": []}
            for epoch in range(given.rounds + 1):
                where = {"epoch": epoch, "seed": 0}
                round_took = {}
                for side in ("plain", "ours") if epoch % 2 else ("ours", "plain"):
                    if side == "plain":
                        round_took["plain"], _ = timed(partial(plain_erase, images, indices, augment, CPU, **where))
                    else:
                        round_took["boxes"], boxes = timed(partial(draw_boxes, indices, **where))
                        round_took["rest"], _ = timed(partial(erase, images, boxes, indices, **where))
                for name, milliseconds in round_took.items():
                    took[name].extend([milliseconds] if epoch else [])  # the first round fills caches
            ratio = statistics.median(a / b for a, b in zip(took["rest"], took["plain"], strict=True))
            medians = ", ".join(
                f"{name} {statistics.median(times):.2f} ms ({min(times):.2f} to {max(times):.2f})"
                for name, times in took.items()
            )
            print(f"probability {probability:g}: {medians}; rest of plain {ratio:.2f}", flush=True)
    print(f"{given.rounds} interleaved rounds of a batch of {given.batch}; torch {torch.__version__}, ", end="")
    print(f"timm {timm.__version__}; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
