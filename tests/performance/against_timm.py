"""Images per CPU second of our training loop against timm's own train.py: same model, batch, precision (fp32),
optimiser (AdamW), augmentation (random crop, flip) and folder of JPEGs of 500x375 pixels, one thread, no workers.

    python -m tests.performance.against_timm --train-py FILE [--rounds 7] [--cases data compute] [--batch 32]

FILE is train.py of github.com/huggingface/pytorch-image-models, of any version that the installed timm can run; it is
used as it is, but that its epochs are told the device, where older versions assume a GPU.

Every side is a process of its own that stays. A round is one epoch of each, one after the other, in turning order; what
counts is the CPU time of the process between the beginning and the end of the epoch: no start-up, evaluation or
checkpoint, on either side. The first epoch of each is not counted. All sides have to train parameters of the same names
and shapes on the same number of images, else this ends with an error.
"""

import argparse
import hashlib
import importlib.util
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.performance.decoding import write
from tests.performance.steal import Steal

MODELS = {  # embed_dim, depth, num_heads, patch_size; images of an epoch
    "data": ((32, 1, 1, 32), 512),  # nearly all time is spent on images
    "both": ((192, 2, 3, 16), 128),
    "compute": ((192, 12, 3, 16), 128),  # DeiT-Tiny: nearly all time is spent in the model
}
SIDES = {
    "ours": None,
    "timm": [],
    "timm, fused AdamW": ["--opt-kwargs", "fused=True"],  # as ours; not timm's default
    "timm, no prefetcher": ["--no-prefetcher"],
}
LR, DECAY = 1e-3, 0.05


class Gate:
    """In a side's process: holds an epoch until it is its turn, and tells the CPU seconds of the one before."""

    def __init__(self) -> None:
        self.seconds = self.clock = 0.0

    def enter(self, shapes: dict[str, Any], images: int) -> None:
        print(json.dumps({"seconds": self.seconds, "images": images, "shapes": shapes}), flush=True)
        if not sys.stdin.readline():
            sys.exit()  # the measurement is over
        self.clock = time.process_time()

    def leave(self) -> None:
        self.seconds = time.process_time() - self.clock


def ours(root: str, size: tuple[int, ...], batch: int, epochs: int) -> None:
    import torch

    from bench.data import AugmentSettings, DataSettings, load
    from bench.recipes.recipe import Recipe
    from bench.store import JobDir
    from bench.train.fit import Fit
    from bench.train.session import Session
    from bench.worker.process import deterministic, keep_freed
    from methods.vit import VitSpec, build_vit

    gate = Gate()

    class Paced(Fit):
        """`order` is what an epoch begins with; progress is told at its end."""

        def order(self, epoch: int) -> list[torch.Tensor]:
            gate.enter(shapes(self.module), self.per_epoch * self.batch)
            return super().order(epoch)

    deterministic(1)
    keep_freed()  # as workers do
    data = load(DataSettings(name="photos", source="folder", root=root, workers=0))
    recipe = Recipe(
        epochs=epochs, batch_size=batch, lr=LR, weight_decay=DECAY, augment=AugmentSettings(crop="rrc", hflip=0.5)
    )
    model = build_vit(VitSpec(*size, num_classes=len(data.classes)))
    with tempfile.TemporaryDirectory() as folder:
        session = Session(
            JobDir(Path(folder)), torch.device("cpu"), checkpoint_seconds=1e9, progress=lambda **_: gate.leave()
        )
        Paced(session, data, model, name="run", recipe=recipe, seed=0).run()


def timms(file: str, root: str, size: tuple[int, ...], batch: int, epochs: int, more: list[str]) -> None:
    """train.py's `main`, with its command line; its `train_one_epoch` is timed as a whole."""
    import torch

    train = loaded(file)
    train_one_epoch, validate, gate = train.train_one_epoch, train.validate, Gate()

    def timed(epoch: int, model: Any, loader: Any, *given: Any, **named: Any) -> Any:
        gate.enter(shapes(model), len(loader) * batch)
        result = train_one_epoch(epoch, model, loader, *given, **named | {"device": torch.device("cpu")})
        gate.leave()
        return result

    def validated(*given: Any, **named: Any) -> Any:
        return validate(*given, **named | {"device": torch.device("cpu")})

    train.train_one_epoch, train.validate = timed, validated
    torch.set_num_threads(1)
    classes = len(list(Path(root, "train").iterdir()))
    with tempfile.TemporaryDirectory() as folder:
        words = command_line(folder, size, classes, batch, epochs, {"device": "cpu"})
        sys.argv = [file, "--data-dir", root, *words, *more]
        train.main()


def loaded(file: str) -> Any:
    """train.py as a module of its own."""
    spec = importlib.util.spec_from_file_location("train", file)
    assert spec is not None and spec.loader is not None
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    return train


def command_line(
    folder: str, size: tuple[int, ...], classes: int, batch: int, epochs: int, settings: dict[str, Any]
) -> list[str]:
    """What train.py is told, but for the data. folder: where it writes. size: embed_dim, depth, num_heads, patch_size.
    settings: what the command line of some or all versions cannot say."""
    import yaml

    from bench.data.known import IMAGENET_MEAN, IMAGENET_STD

    width, depth, heads, patch = size
    config = Path(folder) / "config.yaml"
    config.write_text(yaml.safe_dump({"color_jitter": None, **settings}))
    return [
        "--config", str(config), "--output", folder, "--workers", "0",
        "--model", "vit_tiny_patch16_224", "--num-classes", str(classes), "--gp", "avg", "--model-kwargs",
        f"embed_dim={width}", f"depth={depth}", f"num_heads={heads}", f"patch_size={patch}", "class_token=False",
        "--batch-size", str(batch), "--epochs", str(epochs), "--opt", "adamw", "--lr", str(LR),
        "--weight-decay", str(DECAY), "--sched", "cosine", "--warmup-epochs", "0", "--smoothing", "0",
        "--train-interpolation", "bicubic", "--mean", *map(str, IMAGENET_MEAN), "--std", *map(str, IMAGENET_STD),
        "--checkpoint-hist", "1", "--log-interval", "1000000",
    ]  # fmt: skip


def shapes(model: Any) -> dict[str, list[int]]:
    return {name: list(p.shape) for name, p in sorted(model.named_parameters()) if p.requires_grad}


class Side:
    """A process that trains, epoch by epoch, when told to."""

    def __init__(self, name: str, given: dict[str, Any], folder: Path) -> None:
        self.name, self.errors = name, folder / f"{name}.log"
        self.rates: list[float] = []
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.performance.against_timm", "--side", name, "--given", json.dumps(given)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early:\n{self.errors.read_text()[-3000:]}")
        return json.loads(line)

    def epoch(self) -> float:
        """Images per CPU second of one more epoch."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        told = self.answer()
        return told["images"] / told["seconds"]

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(case: str, given: argparse.Namespace, root: Path, folder: Path) -> list[str]:
    """Rows of the table."""
    size, _ = MODELS[case]
    given_to_side = {
        "file": str(given.train_py.resolve()), "root": str(root), "size": size, "batch": given.batch,
        "epochs": given.rounds + 2,
    }  # fmt: skip
    sides = [Side(name, given_to_side, folder) for name in given.sides]
    try:
        work = [{k: v for k, v in side.answer().items() if k != "seconds"} for side in sides]
        if any(w != work[0] for w in work):
            raise SystemExit(f"the sides do not do the same: {work}")
        for side in sides:
            side.epoch()
        for i in range(given.rounds):
            with Steal() as steal:
                for side in sides[i % len(sides) :] + sides[: i % len(sides)]:
                    side.rates.append(side.epoch())
            text = ", ".join(f"{side.name} {side.rates[-1]:.2f}" for side in sides)
            print(f"{case}, round {i + 1}: {text}; steal {steal.percent:.0f}%", flush=True)
    finally:
        for side in sides:
            side.end()
    rows = []
    for side in sides:
        ratio = statistics.median(a / b for a, b in zip(sides[0].rates, side.rates, strict=True))
        low, high = min(side.rates), max(side.rates)
        rows.append(
            f"| {case} | {'x'.join(map(str, size))} | {side.name} | {statistics.median(side.rates):.2f} | "
            f"{low:.2f} to {high:.2f} | {ratio:.3f} |"
        )
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--train-py", type=Path, metavar="FILE")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--cases", nargs="+", choices=MODELS, default=["data", "compute"])
    options.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--images", type=int, help="of an epoch; default: as many as take some seconds")
    options.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options.add_argument("--given", type=json.loads, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.side:
        more, told = SIDES[given.side], given.given
        file = told.pop("file")
        return ours(**told) if more is None else timms(file, **told, more=more)
    if given.train_py is None or not given.train_py.is_file():
        options.error(f"--train-py: expected timm's train.py, found {given.train_py}")
    if any((given.images or MODELS[case][1]) < 2 * given.batch for case in given.cases):
        options.error("an epoch has to have two batches at least: --images, --batch")
    versions = [f"{name} {version(name)}" for name in ("torch", "timm", "pillow")]
    digest = hashlib.sha256(given.train_py.read_bytes()).hexdigest()[:12]
    print(f"Python {platform.python_version()}, {', '.join(versions)}, train.py {digest}, batch {given.batch}")
    table = []
    with tempfile.TemporaryDirectory() as folder, Steal() as steal:
        for case in given.cases:
            root = Path(folder) / case
            write(root, given.images or MODELS[case][1])
            shutil.copytree(root / "val", root / "test")  # else we would cut a part from train
            table += compare(case, given, root, Path(folder))
    print("\n| case | width x depth x heads x patch | side | images per CPU second | range | ours against it |")
    print("| :-- | :-- | :-- | --: | --: | --: |")
    print("\n".join(table))
    print(f"\nmedians of {given.rounds} interleaved rounds; steal {steal.percent:.0f}%")
    return None


if __name__ == "__main__":
    main()
