"""What every kind of job says of itself: its identity, what it needs, what it costs, what it does. Torch-free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from bench import ENGINE, models
from bench.identity import digest
from bench.jobs.inputs import Computing, DataInput
from bench.jobs.model import Job
from bench.models import size_name
from bench.recipes.recipe import Recipe
from methods.vit import VitSpec

Result = tuple[dict[str, Any], list[str]]  # what result.json says, and the names of the artifacts


@dataclass(frozen=True, kw_only=True)
class JobDescription(ABC):
    """A job, typed. `job()` writes it as a Job, `read` reads it back.

    name: the readable part of the identity, a label that depends on nothing else.
    """

    kind: ClassVar[str]
    exported: ClassVar[tuple[str, ...]] = ()  # what `bench export --what` makes of a done job, the default first
    cleaned_as: ClassVar[str] = "weights"  # the `bench clean --what` that its artifacts go with

    name: str
    data: DataInput
    seed: int = 0
    teacher: str | None = None  # the ancestor at hand to distil from
    computing: Computing = Computing()

    # what a kind says

    @abstractmethod
    def depends_on(self) -> dict[str, Any]:
        """What the result depends on, beside kind, engine and threads. It is hashed: what is there stays as it is."""

    @abstractmethod
    def needed_jobs(self) -> list[str | None]:
        """Identities of the jobs that must be done before; None for those that there are not."""

    @property
    def files_taken(self) -> tuple[str, ...]:
        """Of the needed jobs those whose files the work takes; of the others it reads the numbers."""
        return tuple(need for need in self.needed_jobs() if need)

    def local_settings(self) -> dict[str, Any]:
        """What a worker needs besides."""
        return {"teacher": self.teacher}

    @classmethod
    @abstractmethod
    def read_fields(cls, settings: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        """The kind's own fields, from what `depends_on` and `local_settings` gave."""

    @property
    @abstractmethod
    def spec(self) -> VitSpec:
        """The size of the model that the job is about."""

    @property
    @abstractmethod
    def training(self) -> Recipe | None:
        """How the job trains; None where it does not."""

    @property
    def may_not_train(self) -> bool:
        """Whether the results that the job needs decide if it trains at all."""
        return False

    @property
    def targets(self) -> tuple[VitSpec, ...]:
        """The sizes that the job serves."""
        return (self.spec,)

    @property
    def models_kept(self) -> int:
        """How many artifacts of about the model's size stay."""
        return 1

    @abstractmethod
    def equal_work(self) -> dict[str, Any]:
        """What decides how long the training takes, beside `spec`, `data` and `training`."""

    @property
    def models_used(self) -> tuple[str, ...]:
        """Identities of the ancestors whose models take part in the training."""
        return (self.teacher,) if self.teacher else ()

    @abstractmethod
    def work(self, context: Any) -> Result:
        """Do the job. context: a `bench.jobs.parts.context.Context`, which itself knows the description."""

    @abstractmethod
    def rehearse(self, context: Any) -> Any:
        """Do what of the work trains, without what is before and after: what `plan --probe` times."""

    # what is the same for all

    @property
    def size_name(self) -> str:
        return size_name(self.spec)

    @property
    def images(self) -> int:
        """Images that the training sees, by its recipe; 0 where it may be that none is needed."""
        recipe = self.training
        if recipe is None or self.may_not_train:
            return 0
        return recipe.epochs * self.data.train_images if recipe.steps is None else recipe.steps * recipe.batch_size

    @property
    def flops(self) -> float:
        """Estimated FLOPs of the training, from closed forms: good enough to order jobs and to tell the time left.

        Small but positive for what does not train.
        """
        return max(self.training_flops, 1.0)

    @property
    def training_flops(self) -> float:
        """The same, but 0 for what does not train."""
        return float(self.images) * models.train_flops(self.spec)

    def job(self) -> Job:
        settings = {"kind": self.kind, "engine": ENGINE, **self.depends_on()}
        computing = self.computing
        if computing.threads != 1:
            settings["threads"] = computing.threads
        local = {"device": computing.device, "checkpoint": computing.checkpoint_seconds, "data": self.data.local()}
        local |= self.local_settings()
        if computing.gpus_per_run > 1:
            local["gpus_per_run"] = computing.gpus_per_run
        needs = tuple(dict.fromkeys(need for need in self.needed_jobs() if need))
        return Job(self.kind, f"{self.name}-{digest(settings)}", settings, needs, local)

    @classmethod
    def read(cls, job: Job) -> Self:
        settings, local = job.settings, job.local
        computing = Computing(
            settings.get("threads", 1), local["device"], local["checkpoint"], local.get("gpus_per_run", 1)
        )
        return cls(
            name=job.id.rpartition("-")[0],
            data=DataInput.read(settings["data"], local["data"]),
            seed=settings.get("seed", 0),
            teacher=local.get("teacher"),
            computing=computing,
            **cls.read_fields(settings, local),
        )
