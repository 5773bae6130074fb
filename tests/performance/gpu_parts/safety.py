"""Trainings that are stopped and go on, and one that does not fit."""

import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from bench.data import Dataset
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.store.log import read as read_log
from bench.store.nowhere import Nowhere
from bench.train.fit import Fit
from bench.train.session import Interrupted, Session
from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts import commands
from tests.performance.gpu_parts.rates import in_memory
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size


def safety(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """A training that is stopped and goes on ends as one that is not; one that does not fit is cut in parts."""
    cases = {"stopped after a step, resumed": resumed(device, size)}
    if device.type == "cuda":
        cases["a twentieth of the memory"] = halved(device, size)
    yield from attempts("safety", cases | {"a command ended by SIGTERM, again": preempted(device, size)})


def resumed(device: torch.device, size: Size) -> Iterator[Row]:
    """Gradients of a GPU differ in their last bits from one time to the next, and so do two trainings."""
    _, spec = size.smallest
    data = in_memory(device, spec, 2 * size.batch)
    first, second, stopped = (weights(device, size, spec, data, stop=stop) for stop in (False, False, True))
    apart, gap = ((first - other).abs().max().item() for other in (second, stopped))
    yield Row("safety", "undisturbed twice", "largest difference of a weight", apart)
    target = "about that of two undisturbed"
    yield Row("safety", "stopped after a step, resumed", "largest difference of a weight", gap, target)


def weights(device: torch.device, size: Size, spec: VitSpec, data: Dataset, *, stop: bool) -> Tensor:
    """All weights after four steps. stop: interrupted after the first, and gone on with by a fresh model."""
    recipe = Recipe(steps=4, batch_size=size.batch, precision=size.precision)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        model = build_vit(spec)
        session = Session(JobDir(Path(folder)), device, checkpoint_seconds=1e9)
        session.stop = stop
        try:
            Fit(session, data, model, name="run", recipe=recipe, seed=0).run()
        except Interrupted:
            session = Session(JobDir(Path(folder)), device, checkpoint_seconds=1e9)
            Fit(session, data, model := build_vit(spec), name="run", recipe=recipe, seed=0).run()
    return torch.cat([p.detach().flatten().cpu() for p in model.parameters()])


def halved(device: torch.device, size: Size) -> Iterator[Row]:
    """In how many parts a batch is computed where a twentieth of the memory may be used."""
    _, spec = size.largest
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.05)
    try:
        session = Session(Nowhere(), device, checkpoint_seconds=1e9)
        data = in_memory(device, spec, 2 * size.batch)
        recipe = Recipe(steps=2, batch_size=size.batch, precision=size.precision)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Fit(session, data, build_vit(spec), name="run", recipe=recipe, seed=0).run()
        parts = session.notes["run"].get("accumulate", 1)
        yield Row("safety", "a twentieth of the memory", "parts of a batch", parts, "> 1")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def preempted(device: torch.device, size: Size) -> Iterator[Row]:
    """`bench run` that a SIGTERM ends while it trains, as a scheduler does, and the same command again, against one
    beside it that nothing disturbs."""
    case = "a command ended by SIGTERM, again"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        suite = commands.write_suite(folder, size.packings[0].model, epochs=size.preempted, runs=1)
        device_and_results = ("--set", f"device={device.type}", "--results")
        calm, ended = folder / "calm", folder / "ended"
        log = folder / "output"
        undisturbed, command = (
            commands.start("run", suite, *device_and_results, results, log=log) for results in (calm, ended)
        )
        while command.poll() is None and not trains(ended):
            time.sleep(0.05)
        command.send_signal(signal.SIGTERM)
        command.wait()
        commands.bench("run", suite, *device_and_results, ended, log=log)
        undisturbed.wait()
        (run,), (other,) = commands.table(ended), commands.table(calm)
    yield Row("safety", case, "restarts of its run", float(run["restarts"]), "1")
    for column, what in (("top1", "points of top-1 from one undisturbed"), ("loss", "of loss from one undisturbed")):
        yield Row("safety", case, what, abs(float(run[column]) - float(other[column])), "about 0")


def trains(results: Path) -> bool:
    """Whether a log says that an epoch is over."""
    return any(e["event"] == "train" for log in results.glob("jobs/run/*/log.jsonl") for e in read_log(log))
