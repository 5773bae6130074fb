"""Weights from elsewhere, made here: models drawn at random and saved as files, and suites that take them."""

import json

import timm
import torch

from bench.data import DataSettings, load
from bench.jobs.parts.artifacts import load_model
from bench.store.log import read as read_log
from tests.bench.tiny import bench, write

SUITE = """
name: elsewhere
dataset: {name: colours, source: folder, root: ROOT, img_size: 32}
ancestor: ANCESTOR
targets: [{depth: 1}]
methods: METHODS
train: {epochs: 0, batch_size: 16}
"""
SELECT = "{weight_selection: {head: transfer}}"


def random_model(name, **options):
    """A timm model whose tensors all differ from timm's start."""
    torch.manual_seed(11)
    model = timm.create_model(name, **options)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor).abs() * 0.05)
    return model.eval()


def saved(folder, name, form="bare", **options):
    """(model, its file) in one of the forms that checkpoints come in."""
    model = random_model(name, **options)
    wrapped = {
        "bare": model.state_dict(),
        "model": {"model": model.state_dict()},
        "state_dict": {"epoch": 3, "state_dict": {f"module.{k}": t for k, t in model.state_dict().items()}},
    }
    path = folder / f"{name}-{form}.pth"
    torch.save(wrapped[form], path)
    return model, path


def suite(folder, images, ancestor, methods=SELECT):
    text = SUITE.replace("ROOT", str(images)).replace("ANCESTOR", ancestor).replace("METHODS", methods)
    folder.mkdir(exist_ok=True)
    return write(folder, text)


def run(folder, images, ancestor, *settings, methods=SELECT):
    """Run the suite; returns (exit code, results directory)."""
    path = suite(folder, images, ancestor, methods)
    return bench("run", path, "--launcher", "inline", "--results", folder / "r", *settings), folder / "r"


def made(results, kind="ancestor", prefix=""):
    """(result, folder) of the only job of that kind and prefix."""
    (path,) = results.glob(f"jobs/{kind}/{prefix}*/result.json")
    return json.loads(path.read_text()), path.parent


def model_of(results, prefix=""):
    result, folder = made(results, prefix=prefix)
    return load_model(folder / "weights.safetensors", result)


def events(folder, event):
    return [line for line in read_log(folder / "log.jsonl") if line["event"] == event]


def data(images):
    return load(DataSettings(name="colours", source="folder", root=str(images), img_size=32))
