"""Random erasing of a batch on the CPU: the harness's, against the plain loop that its test holds it against.

    python -m tests.performance.erasing [--rounds 21] [--batch 512] [--size 128]

CPU milliseconds of this process for a batch of `--size` pixels, in interleaved rounds in turning order; medians, least
and most. On a GPU the same calls are made, but what is drawn and written is the device's work.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import timm
import torch
from torch import Tensor

from bench.data.on_device.erase import Erase
from bench.data.settings import AugmentSettings
from tests.bench.data.on_device.plain_erase import plain_erase
from tests.performance.steal import Steal

PROBABILITIES = (0.0, 0.25, 1.0)
CPU = torch.device("cpu")


def timed(way: Callable[..., Tensor], images: Tensor, indices: Tensor, epoch: int) -> float:
    """CPU milliseconds."""
    clock = time.process_time()
    way(images, indices, epoch=epoch, seed=0)
    return 1000 * (time.process_time() - clock)


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
            ways: dict[str, Callable[..., Tensor]] = {
                "plain": partial(plain_erase, augment=augment, device=CPU),
                "ours": Erase(augment, CPU),
            }
            took: dict[str, list[float]] = {name: [] for name in ways}
            for epoch in range(-1, given.rounds):
                for name in sorted(ways, reverse=epoch % 2 == 0):
                    milliseconds = timed(ways[name], images, indices, max(epoch, 0))
                    if epoch >= 0:  # the first round fills caches
                        took[name].append(milliseconds)
            ratio = statistics.median(a / b for a, b in zip(took["ours"], took["plain"], strict=True))
            medians = ", ".join(
                f"{name} {statistics.median(times):.2f} ms ({min(times):.2f} to {max(times):.2f})"
                for name, times in took.items()
            )
            print(f"probability {probability:g}: {medians}; ratio {ratio:.2f}", flush=True)
    print(f"{given.rounds} interleaved rounds of a batch of {given.batch}; torch {torch.__version__}, ", end="")
    print(f"timm {timm.__version__}; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
