"""What the jobs of a plan would take on this machine, from a few real training steps of each kind of them.

The jobs' own code runs: `condense` and `initialize` of the methods, and the one training loop, with random weights and
random images, each training cut to a few steps and the rest extrapolated. Decoding images and evaluating is not in it.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench import models
from bench.data.dataset import Dataset
from bench.identity import digest
from bench.jobs.model import Job
from bench.jobs.work import as_taken, make_initializer
from bench.plan import Plan
from bench.probe.random_data import random_data
from bench.provenance import cpu_name
from bench.randomness import seed_all
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.suite.timm_models import lookup
from bench.train.fit import Fit
from bench.train.lab import JobLab
from bench.train.session import Session, deterministic
from bench.worker.execute import choose_device
from bench.worker.heap import keep_freed
from methods import Learngene
from methods.vit import VitSpec, build_vit

SKIP = 2  # steps of each training that are not timed
STEPS = (4, 50)  # that are timed, from large models to small ones
CPU_FLOPS, GPU_FLOPS = 1e11, 3e13  # that are timed, about: enough for the clock, not enough to wait for
CPU_STEP = 2e11  # FLOPs of a step on a CPU, at most: larger batches are cut, and time per image extrapolated


class ProbeLab(JobLab):
    """A Lab whose trainings end after a few steps. `seconds`: what they would take; `skipped`: what was not trained."""

    seconds = 0.0
    inside = 0.0

    def fit(self, module: nn.Module, *, name: str, recipe: Any = None, loss: Any = "ce", **options: Any) -> list[Any]:
        began = time.perf_counter()
        options.pop("evaluate", None)
        if options.get("params") is not None:
            options["params"] = list(options["params"])
        teacher = self.teacher() if loss == "kd" else None
        options |= {"seed": self.seed, "loss": loss, "teacher": teacher}
        whole = self.recipe.merged(dict(recipe or {}))
        full = Fit(self.session, self.data, module, name=name, recipe=whole, **options)
        if full.total > 0:
            batch, steps = self.amount(full)
            parts = max(1, round(whole.accumulate * batch / whole.batch_size))
            short = whole.merged({"steps": SKIP + steps, "batch_size": batch, "accumulate": parts})
            split: Any = self.data.train
            split.time(SKIP, SKIP + steps)
            Fit(self.session, self.data, module, name=name, recipe=short, **options).run()
            self.seconds += split.seconds / steps / batch * full.total * full.batch
        self.inside += time.perf_counter() - began
        return []

    def amount(self, full: Fit) -> tuple[int, int]:
        """Images of a step (those of the recipe, but on a CPU an even number that takes seconds) and timed steps."""
        image = max(models.train_flops(spec) for spec in self.targets)
        batch, enough = full.batch, GPU_FLOPS
        if self.device.type == "cpu":
            batch, enough = min(batch, max(2, int(CPU_STEP / image) // 2 * 2)), CPU_FLOPS
        few, many = STEPS
        return batch, min(max(int(enough / (image * batch)), few), many)


class Probe:
    """Times the jobs of a plan; equal work once."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.device = torch.device(choose_device(plan.suite.file.device))
        self.found: dict[str, float] = {}
        self.genes: dict[str, Learngene] = {}
        entries = [*plan.suite.data, *(a.data for a in plan.suite.ancestors.values() if a.data)]
        self.entries = {digest(dict(e.description.fingerprint)): e for e in entries}
        deterministic(plan.suite.file.threads)
        keep_freed()

    def seconds(self, job: Job) -> float:
        """Of the job on this device, without data loading and evaluation."""
        key = self.signature(job)
        if key not in self.found:
            seed_all(0, "probe")
            self.found[key] = getattr(self, job.kind)(job)
        return self.found[key]

    def signature(self, job: Job) -> str:
        """Equal for jobs that compute the same on other numbers."""
        s = job.settings
        parts = {name: s[name] for name in ("model", "timm", "target", "recipe", "data", "method") if name in s}
        others = [
            self.signature(self.plan.jobs[id]) for id in (*s.get("ancestors", ()), job.local.get("teacher")) if id
        ]
        if job.kind == "run":
            parts.pop("method", None)
            others = others if "teacher" in s else []
        return digest([job.kind, parts, job.local.get("targets"), others])

    def ancestor(self, job: Job) -> float:
        if "recipe" not in job.settings:
            return 0.0
        lab = self.lab(job)
        lab.fit(self.model(job), name="ancestor")
        return lab.seconds

    def learngene(self, job: Job) -> float:
        initializer = make_initializer(job.settings)
        given = as_taken(initializer, [self.model(self.plan.jobs[id]) for id in job.settings["ancestors"]])
        lab = self.lab(job)

        def condense() -> None:
            self.genes[self.signature(job)] = initializer.condense(given, lab)

        return self.timed(lab, condense)

    def start(self, job: Job) -> float:
        s = job.settings
        gene_job = self.plan.jobs[s["learngene"]]
        self.seconds(gene_job)
        initializer = make_initializer(s)
        target = build_vit(VitSpec(**s["target"])).to(self.device)
        lab = self.lab(job)
        return self.timed(lab, lambda: initializer.initialize(target, self.genes[self.signature(gene_job)], lab))

    def run(self, job: Job) -> float:
        lab = self.lab(job)
        target = build_vit(VitSpec(**job.settings["target"])).to(self.device)
        lab.fit(target, name="run", loss="kd" if lab.recipe.distill else "ce")
        return lab.seconds

    def timed(self, lab: ProbeLab, work: Callable[[], None]) -> float:
        began = time.perf_counter()
        work()
        return lab.seconds + time.perf_counter() - began - lab.inside

    def model(self, job: Job) -> nn.Module:
        """An ancestor with random weights."""
        spec = VitSpec(**job.settings["model"])
        name = job.settings.get("timm")
        if name is None or lookup(name).vit is not None:
            return build_vit(spec).to(self.device)
        import timm

        return timm.create_model(name, num_classes=spec.num_classes, in_chans=spec.in_chans).to(self.device)

    def lab(self, job: Job) -> ProbeLab:
        s, teacher = job.settings, job.local.get("teacher")
        sizes = job.local.get("targets") or [s.get("target") or s.get("model")]
        return ProbeLab(
            Session(JobDir(Path(tempfile.mkdtemp(dir=self.folder))), self.device, checkpoint_seconds=float("inf")),
            self.data(job),
            seed=0,
            recipe=Recipe.model_validate_json(json.dumps(s.get("recipe", {}))),
            targets=[VitSpec(**size) for size in sizes],
            load_teacher=(lambda: self.model(self.plan.jobs[teacher])) if teacher else None,
        )

    def data(self, job: Job) -> Dataset:
        entry = self.entries[digest(job.settings["data"])]
        return random_data(entry.settings, entry.description, self.device)


def timed(plan: Plan, jobs: list[Job]) -> dict[str, float]:
    """Seconds of each of these jobs on this machine, by identity."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(plan, Path(folder))
        return {job.id: probe.seconds(job) for job in jobs}


def device_name(plan: Plan) -> str:
    if choose_device(plan.suite.file.device) == "cuda":
        return torch.cuda.get_device_name()
    return f"{cpu_name()}, threads: {plan.suite.file.threads}"
