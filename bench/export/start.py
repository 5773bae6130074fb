"""A start made on the spot: what a method makes of an ancestor, or of a learngene, for one target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from bench.data import AugmentSettings
from bench.data.dataset import Dataset
from bench.errors import BenchError, UsageError
from bench.export import card, folder, timm_folder
from bench.export.of_job import size_rows
from bench.export.sources import Say
from bench.export.wish import ROOT, Wish, needs_data, plan_of, shown_suite
from bench.jobs.ancestor import AncestorJob
from bench.jobs.learngene import LearngeneJob
from bench.jobs.parts.context import Context
from bench.jobs.run import RunJob
from bench.launch.launchers import launch
from bench.launch.progress import Progress
from bench.launch.request import Request
from bench.launch.schedule import Schedule
from bench.plan import Plan
from bench.plan.jobs import method_input
from bench.provenance import provenance
from bench.randomness import seed_all
from bench.results import data_record
from bench.store import Store
from bench.store.nowhere import Nowhere
from bench.train.session import Session
from bench.worker.process import choose_device, deterministic
from methods import Learngene


@dataclass
class Start:
    """A target with its starting weights.

    model:  a timm VisionTransformer, on the CPU, in evaluation mode. facts: what is known of how it was made.
    wish:   what was asked for, plan: the suite of one run that it is.
    """

    model: nn.Module
    facts: dict[str, Any]
    wish: Wish
    plan: Plan

    @property
    def suite(self) -> str:
        """The same as a suite."""
        return shown_suite(self.plan)

    def save(self, out: str | Path, *, force: bool = False, results: Path = Path("results")) -> str:
        """Write it as a folder that timm loads, and load it back; returns the lines to paste. Raises UsageError where
        `out` is there and is not to be replaced, BenchError where timm loads something else."""
        out = Path(out)
        folder.check(out, results, force=force)
        (cell,) = self.plan.cells
        data = cell.data
        known = (data.description.classes, data.description.class_id) if data.settings.root != ROOT else (None, None)
        with folder.written(out, {"what": "start", "suite": self.suite}) as place:
            timm_folder.write(place, self.model, data.settings, *known)
            timm_folder.loaded(place, self.model)
            method = method_input(cell.method, cell.initializer, cell.spec)
            rows = [("what", "a target before its training"), *card.of_method(method)]
            rows += [("from", ", ".join(self.wish.sources) or "no ancestor")]
            rows += [("learngene", str(self.facts["learngene"])), ("head", str(self.facts["head_used"]))]
            rows += [*size_rows(self.model, data.settings), ("seed", str(self.wish.seed))]
            rows += card.of_code(provenance(torch.device("cpu"), 1))
            text = card.card(out.name, rows, timm_folder.lines(out.name))
            (place / card.FILE).write_text(text, encoding="utf-8")
        return timm_folder.lines(out.absolute())


def make(wish: Wish, *, results: Path = Path("results"), say: Say = lambda text: None) -> Start:
    """Make the start. What reads no images leaves nothing behind; what trains does so as jobs in `results`, where the
    next target finds them. Raises SuiteError or UsageError for what cannot be, BenchError for what fails."""
    plan = plan_of(wish)
    (cell,) = plan.cells
    reason = needs_data(plan)
    if reason and wish.dataset is None:
        raise UsageError(f"{reason}; expected --dataset, such as digits or {{name: NAME, source: folder, root: DIR}}")
    device = torch.device(choose_device(plan.suite.file.device))
    run = plan.description(cell.run)
    assert isinstance(run, RunJob)
    deterministic(run.computing.threads)
    session = Session(Nowhere(), device, checkpoint_seconds=float("inf"))
    if reason:
        store = Store(results)
        _do_jobs(plan, store, say)
        context = Context(run, store, session)
    else:
        none: Any = NoImages(cell.method.use)  # its `n` can only be asked for
        images = Dataset(none, none, none, cell.data.description, cell.data.settings)
        context = InMemory(run, Store(results), session, plan, images)
    seed_all(run.seed, run.kind)
    say(f"{cell.method.use}: the start of {cell.target}")
    try:
        model, facts = run.starting_weights(context)
        gene = context.learngene(cell.learngene or "")
    except (ValueError, TypeError, LookupError) as error:
        whose = f"{wish.learngene or 'the learngene'} lacks {error}; is it another method's?"
        raise BenchError(f"{cell.method.use}: {whose if isinstance(error, KeyError) else error}") from None
    finally:
        context.close()
    stored = f"{gene.stored_params:,} numbers, {gene.stored_params_head:,} more for the head"
    return Start(model.cpu().eval(), facts | {"learngene": stored}, wish, plan)


def _do_jobs(plan: Plan, store: Store, say: Say) -> None:
    """Do what comes before the run, here and one after the other; what is there is taken."""
    (cell,) = plan.cells
    before = Plan(plan.suite, {id: job for id, job in plan.jobs.items() if id != cell.run}, [])
    store.require_writable(plan.suite.name)
    data_record.write(plan.suite, store)
    schedule = Schedule(before.jobs.values(), store)
    if schedule.open:
        say(f"{schedule.counts['pending']} jobs to do first, in {store.root}")
        with Progress(before, schedule) as progress:
            interrupted = launch("inline", Request(before, schedule, progress))
        if interrupted:
            raise KeyboardInterrupt
    failed = [entry for entry in schedule.entries.values() if entry.state == "failed"]
    if failed:
        log = store.job(failed[0].job).log
        raise BenchError(f"{failed[0].job.kind} {failed[0].job.id} failed: {failed[0].message} ({log})")


class NoImages:
    """A part of a data set that is not there; whoever looks for an image is told what to give."""

    def __init__(self, method: str) -> None:
        self.method = method

    def _missing(self) -> NoReturn:
        raise UsageError(f"{self.method} reads images; expected --dataset")

    @property
    def n(self) -> int:
        self._missing()

    @property
    def labels(self) -> Tensor:
        self._missing()

    def batches(
        self, order: Sequence[Tensor], *, epoch: int, seed: int, augment: AugmentSettings | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        self._missing()


@dataclass
class InMemory(Context):
    """A Context whose ancestors and learngenes are made when they are asked for, and kept nowhere."""

    plan: Plan
    images: Dataset
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    genes: dict[str, Learngene] = field(default_factory=dict)

    @property
    def data(self) -> Dataset:  # type: ignore[override]  # there nothing is loaded before it is asked for
        return self.images

    def of(self, id: str) -> InMemory:
        """What the work of another job is given."""
        return replace(self, job=self.plan.description(id))

    def result(self, kind: str, id: str) -> dict[str, Any]:
        if id not in self.results:
            self.ancestor(id)
        return self.results[id]

    def ancestor(self, id: str) -> nn.Module:
        from bench.jobs.parts.pretrained import fetch  # not above: it takes half a second

        context = self.of(id)
        job = context.job
        assert isinstance(job, AncestorJob) and job.weights is not None
        model, self.results[id] = fetch(context, job.weights, job.model)
        return model.to(self.session.device).eval()

    def learngene(self, id: str) -> Learngene:
        if id not in self.genes:
            context = self.of(id)
            job = context.job
            assert isinstance(job, LearngeneJob)
            self.genes[id] = job.taken() if job.ready is not None else job.condensed(context)
        return self.genes[id]
