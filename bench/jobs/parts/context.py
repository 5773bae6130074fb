"""What the work of a job is given: its data, the results it depends on, its lab, seed and session."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from bench.data import Dataset, load
from bench.data.settings import DataSettings
from bench.files import follow_umask, require_readable
from bench.jobs.description import JobDescription
from bench.jobs.model import ANCESTOR_FILE, LEARNGENE_FILE
from bench.jobs.parts.artifacts import ArtifactDamaged, load_model
from bench.randomness import derive_seed, seed_all
from bench.recipes.recipe import Recipe
from bench.store import Store
from bench.train.lab import JobLab
from bench.train.modules import place
from bench.train.session import Session
from methods import Learngene
from methods.vit import VitSpec, build_vit


@dataclass
class Context:
    job: JobDescription
    store: Store
    session: Session

    @cached_property
    def data(self) -> Dataset:
        data, group = self.job.data, self.session.group
        settings = DataSettings.model_validate(data.settings)
        manifest = (self.store.root / data.manifest).read_bytes() if data.manifest else None
        with group.first() if settings.download else nullcontext():
            return load(settings, self.session.device, beside=group.beside, manifest=manifest, seed=self.job.seed)

    @property
    def job_seed(self) -> int:
        """The seed of what this job draws; equal for all methods of a cell."""
        return derive_seed(self.job.seed, self.job.kind)

    def lab(self, recipe: Recipe | None = None, no_fit: str = "") -> JobLab:
        """What the job's trainings go through. recipe: of the job, unless given; no_fit: see JobLab."""
        teacher = self.job.teacher
        return JobLab(
            self.session,
            self.data,
            seed=self.job_seed,
            recipe=recipe or self.job.training or Recipe(),
            targets=self.job.targets,
            load_teacher=(lambda: self.teacher(teacher)) if teacher else None,
            no_fit=no_fit,
        )

    def keep(self, name: str, write: Callable[[Path], object]) -> None:
        """Write an artifact of the job; in a group the first process does."""
        if self.session.group.rank == 0:
            path = self.session.folder.path / name
            write(path)
            follow_umask(path)

    def result(self, kind: str, id: str) -> dict[str, Any]:
        """The result of a job that this one depends on. Raises ArtifactDamaged where it is not whole."""
        folder = self.store.job_dir(kind, id)
        trouble = folder.damage()
        result = None if trouble else folder.result()
        if result is None:
            raise ArtifactDamaged(kind, id, trouble or "not there")
        for name in result["artifacts"]:
            require_readable(folder.path / name)
        return result

    def artifact(self, kind: str, id: str, name: str) -> Path:
        """A file of a job that this one depends on. Raises ArtifactDamaged where it is not there any more."""
        if name not in self.result(kind, id)["artifacts"]:
            raise ArtifactDamaged(kind, id, f"bench clean removed its {name}")
        return self.store.job_dir(kind, id).path / name

    def ancestor(self, id: str) -> nn.Module:
        path = self.artifact("ancestor", id, ANCESTOR_FILE)
        return load_model(path, self.result("ancestor", id)).to(self.session.device)

    def learngene(self, id: str) -> Learngene:
        return Learngene.load(self.artifact("learngene", id, LEARNGENE_FILE))

    def teacher(self, id: str) -> nn.Module:
        """An ancestor to distil from. Raises ValueError for one whose head was never trained."""
        if self.result("ancestor", id).get("head") == "fresh":
            classes = f"of the {len(self.data.classes)} classes here"
            raise ValueError(f"the teacher {id} has a fresh head, {classes}; give that ancestor a recipe: train")
        return self.ancestor(id)

    def fresh(self, spec: VitSpec) -> nn.Module:
        """A model with timm's fresh initialisation from the job's seed; a target's is the same for every method.

        An ancestor's is another: else what stays fresh in a target of its size, such as the head, would be what the
        ancestor began with, which goes well with what it learned.
        """
        seed_all(self.job.seed, "ancestor" if self.job.kind == "ancestor" else "target")
        return place(build_vit(spec), self.session.device)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Run a method's function as `Session.timed` does; passes of images that are on no meter are warned of."""
        session = self.session
        value = session.timed(name, work)
        if session.forwards.unmetered:
            passes = f"{session.forwards.unmetered} forward passes of {name} were in no `with lab.meter(name):`"
            session.log("warning", message=f"{passes}; their FLOPs are not counted")
        return value

    def close(self) -> None:
        """End what decodes images."""
        if "data" in self.__dict__:
            self.data.close()
