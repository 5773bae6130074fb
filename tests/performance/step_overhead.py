"""A training step of the harness against the same step in a bare loop: same model, optimiser and data in memory.

    python -m tests.performance.step_overhead [--rounds 9] [--steps 60] [--depth 4]

Interleaved rounds in CPU seconds of this process; the median of the ratios counts. Steal is of the whole machine.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import timm.optim
import torch
import torch.nn.functional as F

from bench.data import DataSettings, load
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec, build_vit
from tests.performance.steal import Steal


def harness(data, model, steps, folder):
    session = Session(JobDir(Path(folder)), torch.device("cpu"), checkpoint_seconds=1e9)
    recipe = Recipe(steps=steps, batch_size=32, augment={"shift": 1})
    fit = Fit(session, data, model, name="run", recipe=recipe, seed=0)
    fit.prepare()
    clock = time.process_time()
    fit.loop()
    return time.process_time() - clock


def bare(batches, model, steps):
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, fused=True)
    model.train()
    clock = time.process_time()
    for step in range(steps):
        images, labels = batches[step % len(batches)]
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - clock


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--steps", type=int, default=60)
    options.add_argument("--depth", type=int, default=4)
    given = options.parse_args()
    torch.set_num_threads(1)
    data = load(DataSettings.model_validate("digits"))
    spec = VitSpec(64, given.depth, 2, patch_size=2, img_size=8, in_chans=1, num_classes=10)
    order = list(torch.arange(data.train.n).split(32))[:-1]
    batches = list(data.train.batches(order, epoch=0, seed=0))
    model, ratios = build_vit(spec), []
    bare(batches, model, 20)
    with Steal() as steal, tempfile.TemporaryDirectory() as folder:
        for i in range(given.rounds):
            sides = {}
            for side in ("harness", "bare") if i % 2 else ("bare", "harness"):
                steps = given.steps
                seconds = harness(data, model, steps, folder) if side == "harness" else bare(batches, model, steps)
                sides[side] = 1000 * seconds / steps
            ratios.append(sides["harness"] / sides["bare"])
            print(f"harness {sides['harness']:.2f} ms, bare {sides['bare']:.2f} ms, ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} over {given.rounds} rounds; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
