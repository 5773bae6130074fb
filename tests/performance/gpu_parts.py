"""What tests/performance/gpu.py measures, a function for each part, which yields rows as they are known.

`Size` says how large the work is: REAL for a GPU, TINY for the tests, which run all of it on the CPU.
"""

import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F

from bench import api, models
from bench.data import DataSettings, load
from bench.data.preparing.encode import Form
from bench.data.preparing.prepare import prepare
from bench.models import PRESETS
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.store.log import read as read_log
from bench.train.fit import Fit
from bench.train.session import Interrupted, Session
from methods.parts.templates import layout, template_counts
from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates
from methods.vit import VitSpec, build_vit
from tests.performance.decoding import write

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "digits_variable_depth" / "runs.csv"


class Row(NamedTuple):
    part: str
    case: str
    what: str
    value: float
    target: str = ""


@dataclass(frozen=True)
class Size:
    """How large the work is. matrix: edge of the products; models: DeiT's sizes; batch and steps of their trainings;
    suite: --set and --only of the digits suite."""

    matrix: int
    models: dict[str, VitSpec]
    batch: int
    steps: int
    compiled: tuple[bool, ...]
    precision: str
    shards: int
    packed: tuple[int, ...]
    small: dict[str, str]
    suite: tuple[str, ...]


REAL = Size(
    matrix=8192,
    models={name: VitSpec(**numbers) for name, numbers in PRESETS.items()},
    batch=256,
    steps=40,
    compiled=(False, True),
    precision="bf16",
    shards=2048,
    packed=(1, 4),
    small={
        "digits": "{embed_dim: 64, depth: 4, num_heads: 2, patch_size: 2}",
        "64 tokens, as CIFAR in patches of 4": "{embed_dim: 192, depth: 6, num_heads: 3, patch_size: 1}",
    },
    suite=("--jobs", "4", *(w for name in ("random", "weight_selection", "wave") for w in ("--only", f"{name}-L4-*"))),
)
TINY = Size(
    matrix=64,
    models={"tiny": VitSpec(16, 1, 1, patch_size=16, img_size=32, num_classes=10)},
    batch=4,
    steps=2,
    compiled=(False,),
    precision="fp32",
    shards=8,
    packed=(),
    small={},
    suite=("--set", "ancestor.train.epochs=1", "--set", "train.epochs=1", "--set", "seeds=1", "--only", "random-L2-*"),
)


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_rate(device: torch.device, size: Size) -> float:
    """FLOPs a second of products of large matrices, in the precision that models are trained in."""
    dtype = torch.bfloat16 if size.precision == "bf16" else torch.float32
    a, b = (torch.randn(size.matrix, size.matrix, device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    began = clock(device)
    for _ in range(10):
        a @ b
    return 10 * 2 * size.matrix**3 / (clock(device) - began)


def images_of(spec: VitSpec, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (n, spec.in_chans, spec.img_size, spec.img_size), dtype=torch.uint8, generator=draw)
    return pixels, torch.arange(n) % spec.num_classes


def ours(device: torch.device, size: Size, spec: VitSpec, *, compiled: bool) -> float:
    """Images a second of the harness's loop, images in memory."""
    classes = list(map(str, range(spec.num_classes)))
    data = images_of(spec, 4 * size.batch)
    lab = api.lab(data, images_of(spec, size.batch), classes=classes, device=device)
    recipe = {"batch_size": size.batch, "precision": size.precision, "compile": compiled}
    lab.fit(build_vit(spec), name="first", recipe=recipe | {"steps": 3})
    lab.fit(build_vit(spec), name="run", recipe=recipe | {"steps": size.steps})
    return lab.costs["run"].images / lab.costs["run"].seconds


def plain(device: torch.device, size: Size, spec: VitSpec, *, compiled: bool) -> float:
    """Images a second of what timm's train_one_epoch does with a batch that is there: autocast, cross entropy,
    backward, fused AdamW, zero_grad, and a wait for the device after every update."""
    model = build_vit(spec).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    training = torch.compile(model) if compiled else model
    pixels, labels = (x[: size.batch].to(device) for x in images_of(spec, size.batch))
    began = 0.0
    for step in range(size.steps + 3):
        if step == 3:
            began = clock(device)
        images = (pixels.float() / 255 - 0.5) / 0.25
        with torch.autocast(device.type, torch.bfloat16, enabled=size.precision == "bf16"):
            loss = F.cross_entropy(training(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
    return size.steps * size.batch / (clock(device) - began)


def memory(device: torch.device, size: Size) -> Iterator[Row]:
    """DeiT in memory against a plain loop, and against its FLOPs at the matrix rate."""
    rate = matrix_rate(device, size)
    yield Row("memory", size.precision, "matrix products, TFLOP/s", rate / 1e12)
    for compiled in size.compiled:
        for name, spec in size.models.items():
            case = f"{name}{', compiled' if compiled else ''}"
            images = ours(device, size, spec, compiled=compiled)
            yield Row("memory", case, "images/s", images)
            share = images * models.train_flops(spec) / rate
            yield Row("memory", case, "of the matrix rate", share, ">= 0.5 for deit_base")
            yield Row(
                "memory", case, "times the plain loop", images / plain(device, size, spec, compiled=compiled), ">= 1.2"
            )


def shards(device: torch.device, size: Size) -> Iterator[Row]:
    """The same through prepared shards: JPEG decoded and augmented by workers."""
    name, spec = next(iter(size.models.items()))
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "prepared"
        write(raw, size.shards)
        shutil.copytree(raw / "val", raw / "test")
        fields = {"name": "photos", "source": "folder", "img_size": spec.img_size}
        workers = max(0, len(os.sched_getaffinity(0)) - 2)
        settings = DataSettings(**fields, root=str(raw), workers=0)
        prepare(settings, Form(256, 95), out)
        data = load(DataSettings(**fields, root=str(out), workers=workers), device)
        session = Session(JobDir(Path(folder) / "job"), device, checkpoint_seconds=1e9)
        batch = min(size.batch, size.shards)
        recipe = Recipe(batch_size=batch, precision=size.precision, augment={"crop": "rrc", "hflip": 0.5})
        for fit, steps in (("first", 2), ("run", max(2, min(size.steps, size.shards // batch)))):
            model = build_vit(spec.replace(num_classes=2))
            Fit(session, data, model, name=fit, recipe=recipe.merged({"steps": steps}), seed=0).run()
        data.close()
        cost = session.costs["run"]
        yield Row("shards", f"{name}, {workers} workers", "images/s", cost.images / cost.seconds)


def wave(device: torch.device, size: Size) -> Iterator[Row]:
    """A step of wave's model under templates against the dense one of its size."""
    for name, spec in size.models.items():
        tile = spec.embed_dim // 2
        groups = layout(spec, template_counts(spec, 4, tile, many_widths=False, head=False), tile)
        draw = torch.Generator().manual_seed(0)
        parts = (fresh_templates(groups, draw, 1.0), fresh_scalers(groups, draw, 1.0))
        seconds = {}
        for what, model in (
            ("dense", build_vit(spec)),
            ("wave", TemplatedVit(build_vit(spec), groups, "tile", *parts)),
        ):
            model = model.to(device)
            pixels = torch.randn(size.batch, spec.in_chans, spec.img_size, spec.img_size, device=device)
            for step in range(size.steps + 3):
                if step == 3:
                    began = clock(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=size.precision == "bf16"):
                    loss = model(pixels).float().square().mean()
                loss.backward()
                for p in model.parameters():
                    p.grad = None
            seconds[what] = (clock(device) - began) / size.steps
        yield Row("wave", name, "times the dense step", seconds["wave"] / seconds["dense"], "<= 1.15")


SUITE = """
name: small
dataset: digits
targets: [{model}]
methods: {{random: {{}}}}
train: {{epochs: 10, batch_size: 32}}
seeds: {runs}
"""


def small(device: torch.device, size: Size) -> Iterator[Row]:
    """Runs an hour of small models: one at a time, and several packed on the device, without MPS and with it."""
    runs = max(size.packed, default=0)
    for mps in (False, True):
        if mps and not shutil.which("nvidia-cuda-mps-control"):
            continue
        for name, model in size.small.items():
            alone = 0.0
            for jobs in size.packed:
                with tempfile.TemporaryDirectory() as folder, served(folder, mps):
                    suite = Path(folder) / "suite.yaml"
                    suite.write_text(SUITE.format(model=model, runs=runs))
                    bench("run", suite, "--set", f"device={device.type}", "--jobs", jobs, "--results", folder)
                    events = [e for log in Path(folder).glob("jobs/run/*/log.jsonl") for e in read_log(log)]
                starts, ends = ([e["time"] for e in events if e["event"] == what] for what in ("start", "done"))
                rate = 3600 * runs / (max(ends) - min(starts))  # without the start of the command
                alone = alone or rate
                case = f"{name}, {jobs} at once{', MPS' if mps else ''}"
                yield Row("small", case, "runs/h", rate)
                yield Row("small", case, "times one by one", rate / alone, ">= 2 for digits, at its best")


@contextmanager
def served(folder: str, mps: bool) -> Iterator[None]:
    """MPS of this folder's own while it lasts."""
    if not mps:
        yield
        return
    os.environ |= {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
    subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True)
    try:
        yield
    finally:
        subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", check=False)
        del os.environ["CUDA_MPS_PIPE_DIRECTORY"], os.environ["CUDA_MPS_LOG_DIRECTORY"]


def bench(*arguments: object) -> None:
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bench {arguments[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-500:]}")


def suite(device: torch.device, size: Size) -> Iterator[Row]:
    """The digits suite on the device against its committed numbers, which are of a CPU."""
    path = REFERENCE.parents[3] / "suites" / "digits_variable_depth.yaml"
    with tempfile.TemporaryDirectory() as folder:
        bench("run", path, "--set", f"device={device.type}", "--results", folder, *size.suite)
        found, stated = (cells(file) for file in (Path(folder, path.stem, "runs.csv"), REFERENCE))
    for cell, scores in found.items():
        other = stated[cell]
        noise = max(statistics.stdev(other), 0.5) * (1 / len(scores) + 1 / len(other)) ** 0.5
        gap = statistics.mean(scores) - statistics.mean(other)
        yield Row("suite", " ".join(cell), "points above the CPU's", gap)
        yield Row("suite", " ".join(cell), "of the noise of seeds", abs(gap) / noise, "<= 3")


def cells(file: Path) -> dict[tuple[str, str], list[float]]:
    scores: dict[tuple[str, str], list[float]] = {}
    with file.open() as text:
        for row in csv.DictReader(text):
            if row["status"] == "done":
                scores.setdefault((row["method"], row["target"]), []).append(float(row["top1"]))
    return scores


def safety(device: torch.device, size: Size) -> Iterator[Row]:
    """A training that is stopped and goes on ends at the same weights; one that does not fit is cut in parts."""
    spec = next(iter(size.models.values()))
    classes = list(map(str, range(spec.num_classes)))
    data = api.lab(images_of(spec, 2 * size.batch), images_of(spec, 2), classes=classes, device=device).data
    recipe, weights = Recipe(steps=4, batch_size=size.batch, precision=size.precision), {}
    for stop in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = build_vit(spec)
            session = Session(JobDir(Path(folder)), device, checkpoint_seconds=1e9)
            session.stop = stop  # after the first step
            try:
                Fit(session, data, model, name="run", recipe=recipe, seed=0).run()
            except Interrupted:
                session = Session(JobDir(Path(folder)), device, checkpoint_seconds=1e9)
                Fit(session, data, model := build_vit(spec), name="run", recipe=recipe, seed=0).run()
            weights[stop] = torch.cat([p.detach().flatten().cpu() for p in model.parameters()])
    gap = (weights[True] - weights[False]).abs().max().item()
    yield Row("safety", "stopped after a step, resumed", "largest difference of a weight", gap, "0")
    if device.type == "cuda":
        yield halved(device, size)


def halved(device: torch.device, size: Size) -> Row:
    """In how many parts a batch is computed where a twentieth of the memory may be used."""
    spec = max(size.models.values(), key=models.params)
    classes = list(map(str, range(spec.num_classes)))
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.05)
    try:
        lab = api.lab(images_of(spec, 2 * size.batch), images_of(spec, 2), classes=classes, device=device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lab.fit(build_vit(spec), name="run", recipe={"steps": 2, "batch_size": size.batch, "precision": "bf16"})
        return Row(
            "safety",
            "a twentieth of the memory",
            "parts of a batch",
            lab.session.notes["run"].get("accumulate", 1),
            "> 1",
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


WAITS = (
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
    "aten::item",
    "aten::_local_scalar_dense",
)


def waits(device: torch.device, size: Size) -> Iterator[Row]:
    """What waits for the device in a step, by the profiler's names."""
    name, spec = next(iter(size.models.items()))
    classes = list(map(str, range(spec.num_classes)))
    lab = api.lab(images_of(spec, 4 * size.batch), images_of(spec, 2), classes=classes, device=device)
    with torch.profiler.profile() as profiler:
        lab.fit(build_vit(spec), name="run", recipe={"steps": size.steps, "batch_size": size.batch})
    counts = {event.key: event.count for event in profiler.key_averages()}
    for wait in WAITS:
        yield Row("waits", name, f"{wait} a step", counts.get(wait, 0) / size.steps)


# seconds of ten minutes that each may take
PARTS = {memory: 240, wave: 40, waits: 20, safety: 30, shards: 50, small: 100, suite: 100}
