"""Models that done jobs left, each with what it is held against: an ancestor, the start or the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import methods
from bench.data.dataset import Split
from bench.errors import BenchError, UsageError
from bench.export.line import Done, Line
from bench.jobs.inputs import MethodInput
from bench.jobs.model import ANCESTOR_FILE, START_FILE, WEIGHTS_FILE
from bench.jobs.parts.artifacts import load_model
from bench.jobs.parts.context import Context
from bench.jobs.run import RunJob
from bench.jobs.start import StartJob
from bench.randomness import seed_all
from bench.store import Store
from bench.store.nowhere import Nowhere
from bench.suite.outside import code_of
from bench.train.session import Session
from bench.worker.process import deterministic

Say = Callable[[str], object]


@dataclass
class LeftModel:
    """A model, and what it is held against. scores: `top1` and `loss` of its row, where it has one."""

    model: nn.Module
    step: Done  # the job whose images and numbers these are
    context: Context
    scores: dict[str, float] | None
    precision: str = "fp32"

    @property
    def split(self) -> tuple[str, Split]:
        """Which images it was evaluated on: of a tuning run those of validation."""
        part = getattr(self.step.job, "part", None) or "test"
        return part, getattr(self.context.data, part)


def require_file(step: Done, name: str) -> None:
    """Raise BenchError where `bench clean` has removed a file of a job."""
    if name in step.result.get("cleaned", {}):
        raise BenchError(
            f"{step.job.kind} {step.id}: bench clean removed its {name}; bench run makes it again for a job that needs "
            "it, and in any case where the folder of this job is removed"
        )


def _ancestor(store: Store, history: Line, use: str | None, say: Say) -> LeftModel:
    (step,) = history.ancestors
    require_file(step, ANCESTOR_FILE)
    context = _context(store, step)
    return LeftModel(context.ancestor(step.id), step, context, step.result)


def _end(store: Store, history: Line, use: str | None, say: Say) -> LeftModel:
    step = history.run
    assert step is not None and isinstance(step.job, RunJob)
    require_file(step, WEIGHTS_FILE)
    if WEIGHTS_FILE not in step.result["artifacts"]:
        way = f"keep_weights: end in the suite, remove {store.job_dir('run', step.id).path} and run it again"
        raise UsageError(f"run {step.id} kept no weights; expected {way}; its start can be had without: --what start")
    context = _context(store, step)
    model = load_model(store.job_dir("run", step.id).path / WEIGHTS_FILE, {"spec": vars(step.job.target)})
    return LeftModel(model, step, context, step.result, step.job.recipe.precision)


def _start(store: Store, history: Line, use: str | None, say: Say) -> LeftModel:
    """The start that the run, or the job of the start, kept; else computed again, from the learngene, by the seed."""
    step = history.run or history.start
    assert step is not None and isinstance(step.job, RunJob | StartJob)
    context = _context(store, step)
    scores = next(iter(step.result["evals"]), None) if history.run is not None else None
    precision = step.job.recipe.precision if isinstance(step.job, RunJob) else "fp32"
    if START_FILE in step.result["artifacts"]:
        model = load_model(store.job_dir(step.job.kind, step.id).path / START_FILE, {"spec": vars(step.job.target)})
        return LeftModel(model, step, context, scores, precision)
    if isinstance(step.job, StartJob):
        require_file(step, START_FILE)
    assert isinstance(step.job, RunJob)
    if step.job.method is not None:
        require_code(step.job.method, use)
        say(f"computing the start again, by {step.job.method.use}")
    model, _ = step.job.starting_weights(context)
    return LeftModel(model.eval(), step, context, scores, precision)


MODELS = {"ancestor": _ancestor, "start": _start, "end": _end}  # what is exported, beside learngenes -> its source


def require_code(method: MethodInput, use: str | None) -> None:
    """Raise UsageError for a method from outside that is not named by `use`, BenchError where its code has changed."""
    if method.source is None:
        return
    if use != method.use:
        raise UsageError(
            f"the start is made by {method.use}, code from outside; expected --use {method.use}, which imports that "
            "module from this folder or PYTHONPATH"
        )
    try:
        cls = methods.method_class(method.use)
    except (Exception, SystemExit) as error:  # whatever a module from outside does on import
        raise UsageError(f"--use {use}: it cannot be imported ({type(error).__name__}: {error})") from None
    module = method.use.partition(":")[0] if ":" in method.use else cls.__module__
    if code_of(cls, module).hash != method.source:
        raise BenchError(f"--use {use}: its code is not that which the run was made with")


def _context(store: Store, step: Done) -> Context:
    """What the work of a job is given, as its worker gave it."""
    gpu = step.result.get("device") == "cuda" and torch.cuda.is_available()
    deterministic(step.job.computing.threads)
    seed_all(step.job.seed, step.job.kind)
    session = Session(Nowhere(), torch.device("cuda" if gpu else "cpu"), checkpoint_seconds=float("inf"))
    return Context(step.job, store, session)
