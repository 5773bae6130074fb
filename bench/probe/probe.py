"""What the jobs of a plan would take on this machine, from a few real training steps of each kind of them.

The jobs' own code runs (`JobDescription.rehearse`), with random weights and random images, each training cut to a few
steps and the rest extrapolated. Decoding images and evaluating is not in it.
"""

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.data.dataset import Dataset
from bench.identity import digest
from bench.jobs import Job
from bench.jobs.ancestor import AncestorJob
from bench.jobs.description import JobDescription
from bench.jobs.inputs import recipe_settings
from bench.models import spec_settings
from bench.plan import Plan
from bench.probe.random_data import random_data
from bench.probe.rehearsal import Rehearsal
from bench.provenance import cpu_name
from bench.randomness import seed_all
from bench.store import JobDir, Store
from bench.train.session import Session
from bench.worker.process import choose_device, deterministic, keep_freed


class Probe:
    """Times the jobs of a plan; equal work once."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.device = torch.device(choose_device(plan.suite.file.device))
        self.rehearsals: dict[str, tuple[float, Any]] = {}  # by signature: seconds, and what the rehearsal made
        entries = plan.suite.all_data
        self.entries = {digest(dict(e.description.fingerprint)): e for e in entries}
        deterministic(plan.suite.file.threads)
        keep_freed()

    def seconds(self, id: str) -> float:
        """Of the job on this device, without data loading and evaluation."""
        return self.rehearsed(id)[0]

    def rehearsed(self, id: str) -> tuple[float, Any]:
        """(seconds of the job, what its rehearsal made), timed once for all jobs of equal work."""
        job, key = self.plan.description(id), self.signature(id)
        if key not in self.rehearsals:
            folder = JobDir(Path(tempfile.mkdtemp(dir=self.folder)))
            session = Session(folder, self.device, checkpoint_seconds=float("inf"))
            rehearsal = Rehearsal(
                job,
                Store(self.folder),
                session,
                random_data=self.data(job),
                random_ancestor=self.ancestor,
                condensed=lambda learngene: self.rehearsed(learngene)[1],
            )
            seed_all(0, "probe")
            product = job.rehearse(rehearsal)
            self.rehearsals[key] = rehearsal.seconds, product if job.kind == "learngene" else None
        return self.rehearsals[key]

    def signature(self, id: str) -> str:
        """Equal for jobs that compute the same on other numbers."""
        job = self.plan.description(id)
        recipe = None if job.training is None else recipe_settings(job.training)
        models = [self.signature(model) for model in job.models_used]
        return digest([job.kind, spec_settings(job.spec), recipe, job.data.fingerprint, job.equal_work(), models])

    def ancestor(self, id: str) -> nn.Module:
        job = self.plan.description(id)
        assert isinstance(job, AncestorJob)
        return job.random_model().to(self.device)

    def data(self, job: JobDescription) -> Dataset:
        entry = self.entries[digest(job.data.fingerprint)]
        return random_data(entry.settings, entry.description, self.device)


def timed(plan: Plan, jobs: list[Job]) -> dict[str, float]:
    """Seconds of each of these jobs on this machine, by identity."""
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(plan, Path(folder))
        return {job.id: probe.seconds(job.id) for job in jobs}


def device_name(plan: Plan) -> str:
    if choose_device(plan.suite.file.device) == "cuda":
        return torch.cuda.get_device_name()
    return f"{cpu_name()}, threads: {plan.suite.file.threads}"
