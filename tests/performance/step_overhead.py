"""A training step of the harness against the same step in a bare loop: same model, optimiser and images in memory.

    python -m tests.performance.step_overhead [--rounds 11] [--steps 40] [--depth 4]

Both draw an order, gather each batch by it and train on it without augmentation, which is work and no overhead. The
bare loop gathers from images that were normalised once; it has no learning rate to set, no seeds, no look at the loss,
no log, no count of costs and nothing that could stop it.
Both keep the memory that is freed, as the harness's workers do: by default the system takes it back and fills it with
zeros anew, which costs either loop a tenth or more.

Interleaved rounds in CPU seconds of this process; the median of the ratios counts. Steal is of the whole machine.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import timm.optim
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.data import Dataset, DataSettings, load
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.fit import Fit
from bench.train.session import Session
from bench.worker.process import keep_freed
from methods.vit import VitSpec, build_vit
from tests.performance.steal import Steal

BATCH = 32


def harness(data: Dataset, model: nn.Module, steps: int, folder: str) -> float:
    """CPU seconds of that many steps in the harness's loop."""
    session = Session(JobDir(Path(folder)), torch.device("cpu"), checkpoint_seconds=1e9)
    fit = Fit(session, data, model, name="run", recipe=Recipe(steps=steps, batch_size=BATCH), seed=0)
    fit.prepare()
    clock = time.process_time()
    fit.loop()
    return time.process_time() - clock


def bare(images: Tensor, labels: Tensor, model: nn.Module, steps: int) -> float:
    """CPU seconds of that many steps in a loop of its own, over normalised images [n, C, H, W] and labels [n]."""
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, fused=True)
    model.train()
    step = 0
    clock = time.process_time()
    while step < steps:
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH)
        for index in order[: steps - step]:
            loss = F.cross_entropy(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return time.process_time() - clock


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=11)
    options.add_argument("--steps", type=int, default=40)
    options.add_argument("--depth", type=int, default=4)
    given = options.parse_args()
    torch.set_num_threads(1)
    keep_freed()
    data = load(DataSettings.model_validate("digits"))
    ((images, labels),) = data.train.batches([torch.arange(data.train.n)], epoch=0, seed=0)
    model = build_vit(VitSpec(64, given.depth, 2, patch_size=2, img_size=8, in_chans=1, num_classes=10))
    bare(images, labels, model, 10)
    took: dict[str, list[float]] = {"harness": [], "bare": []}
    with Steal() as steal, tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            for side in sorted(took, reverse=number % 2 == 0):
                if side == "harness":
                    seconds = harness(data, model, given.steps, folder)
                else:
                    seconds = bare(images, labels, model, given.steps)
                took[side].append(1000 * seconds / given.steps)
            print(f"harness {took['harness'][-1]:.2f} ms, bare {took['bare'][-1]:.2f} ms", flush=True)
    ratios = [ours / theirs for ours, theirs in zip(took["harness"], took["bare"], strict=True)]
    for side, times in took.items():
        print(f"{side}: median {statistics.median(times):.2f} ms, least {min(times):.2f} ms")
    print(
        f"median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {given.rounds} rounds"
    )
    print(f"steal {steal.percent:.0f}%, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
