"""The jobs of a plan, each described once from what the suite says; what they depend on and need is in `bench.jobs`."""

from functools import lru_cache
from typing import Any

from bench.data.manifest import manifest_name
from bench.identity import Fixed, Same, digest
from bench.jobs.ancestor import AncestorJob
from bench.jobs.description import JobDescription
from bench.jobs.inputs import Computing, DataInput, MethodInput, WeightsInput, recipe_settings
from bench.jobs.learngene import LearngeneJob
from bench.jobs.model import Job
from bench.jobs.run import RunJob
from bench.jobs.start import StartJob
from bench.models import size_name
from bench.plan.model import Family
from bench.recipes.recipe import Recipe, merge
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite, ready_learngene
from bench.suite.ancestor_source import source_settings
from methods import Initializer
from methods.vit import VitSpec


class Jobs:
    """Makes jobs and keeps each once. Its methods return identities."""

    def __init__(self, suite: Suite) -> None:
        file = suite.file
        self.suite = suite
        self.all: dict[str, Job] = {}
        self.described: dict[str, JobDescription] = {}  # what they were made from
        self.computing = Computing(file.threads, file.device, file.checkpoint.seconds, file.gpus_per_run)
        self._skipped: dict[str, str] = {}  # names of runs that will not be -> the label that has it
        self._data: dict[int, DataInput] = {}

    def ancestor(
        self, entry: AncestorEntry, spec: VitSpec, data: DataEntry, seed: int, start: str | None = None
    ) -> str:
        """An ancestor that is trained, from the weights of the job `start` where there is one, or fetched."""
        weights = WeightsInput.read(*source_settings(entry))
        architecture = weights.timm if weights and weights.timm else size_name(spec)
        job = AncestorJob(
            name=f"{architecture}-{data.name}-s{seed}",
            model=spec,
            data=self.data(data),
            recipe=entry.recipe,
            weights=weights,
            start=start,
            seed=seed,
            computing=self.computing,
        )
        return self.add(job)

    def learngene(
        self,
        method: MethodEntry,
        initializer: Initializer,
        targets: list[VitSpec],
        family: Any,
        *,
        ancestors: tuple[str, ...],
        data: DataEntry,
        recipe: Recipe,
        teacher: str | None,
        seed: int,
    ) -> str:
        """What a method makes once for a family of targets. `recipe` is of what it trains."""
        used = method_input(method, initializer, None, at_start=False)
        job = LearngeneJob(
            name=f"{used.name}-{data.name}-s{seed}",
            method=used,
            family=family,
            ancestors=ancestors,
            served=tuple(targets),
            data=self.data(data),
            recipe=recipe,
            teacher=teacher,
            seed=seed,
            looks_at_targets=method.sees_targets,
            ready=ready_learngene.identity(method.learngene) if method.learngene else None,
            file=method.learngene,
            computing=self.computing,
        )
        return self.add(job)

    def start(self, family: Family, target: VitSpec, seed: int) -> str:
        """A target initialised by a method that trains to do so."""
        method = method_input(family.method, family.initializer, target)
        job = StartJob(
            name=run_name(method, target, family.data, seed),
            method=method,
            learngene=family.learngene,
            target=target,
            data=self.data(family.data),
            recipe=family.recipe,
            steps=family.initializer.start_steps(),
            teacher=family.teacher,
            seed=seed,
            computing=self.computing,
        )
        return self.add(job)

    def run(
        self,
        family: Family,
        target: VitSpec,
        seed: int,
        recipe: Recipe,
        start: str | None,
        *,
        trial: bool = False,
        candidates: dict[str, list[str]] | None = None,
        widens: dict[str, list[str]] | None = None,
    ) -> str:
        """A target trained and evaluated.

        trial: whether it is a tuning run. candidates, widens: tuning runs by the learning rates to choose from, and
        those of the grid that a tuning run widens.
        """
        method, in_budget = method_input(family.method, family.initializer, target), self.suite.file.budget == "total"
        job = RunJob(
            name=run_name(method, target, family.data, seed),
            target=target,
            data=self.data(family.data),
            recipe=recipe,
            method=None if start else method,
            learngene=None if start else family.learngene,
            start=start,
            teacher=family.run_teacher,
            seed=seed,
            paid_learngene=family.learngene if in_budget else None,
            sizes=family.sizes if in_budget else 0,
            candidates=candidates or {},
            widens=widens or {},
            part="val" if trial else None,
            keep_weights=self.suite.file.keep_weights,
            computing=self.computing,
        )
        return self.add(job)

    def skipped_run(self, method: MethodEntry, data: DataEntry, target: VitSpec, seed: int) -> str:
        """A name for a run that will not be."""
        used = method_input(method, method.initializer, None)
        name = run_name(used, target, data, seed)
        job = RunJob(name=name, target=target, data=self.data(data), recipe=method.runs, method=used, seed=seed)
        id = f"{name}-{digest(job.depends_on())}"
        if self._skipped.setdefault(id, method.label) != method.label:  # they differ in what is trained before a run
            id = f"{name}-{digest([job.depends_on(), method.label])}"
        return id

    def data(self, entry: DataEntry) -> DataInput:
        if id(entry) not in self._data:  # an ancestor's may have the name of another one
            fingerprint = Fixed(entry.description.fingerprint)
            manifest = manifest_name(self.suite.name, entry.settings) if entry.description.manifest else None
            self._data[id(entry)] = DataInput(fingerprint, entry.settings.model_dump(mode="json"), manifest)
        return self._data[id(entry)]

    def add(self, description: JobDescription) -> str:
        job = description.job()
        self.described.setdefault(job.id, description)
        return self.all.setdefault(job.id, job).id


def method_recipe(method: MethodEntry, ancestor: AncestorEntry | None) -> Recipe:
    """What a method trains follows the ancestor's recipe unless the method's `train` says otherwise."""
    base = recipe_settings(ancestor.recipe) if ancestor is not None and ancestor.recipe is not None else {}
    return Recipe.model_validate(merge(base, method.train))


def method_input(
    method: MethodEntry, initializer: Initializer, target: VitSpec | None, *, at_start: bool = True
) -> MethodInput:
    """The method as a job depends on it, with the options of `initializer`; see MethodEntry.options.

    target: whose start it makes; None for a learngene, and where there will be no start.
    """
    return _method_input(Same(method), Same(initializer), Same(target), at_start)


@lru_cache  # the same for all seeds
def _method_input(method: Same, initializer: Same, target: Same, at_start: bool) -> MethodInput:
    return _method_of_version(method, initializer, initializer.value.version_of(target.value), at_start)


@lru_cache  # the same for most sizes
def _method_of_version(method_: Same, initializer_: Same, version: int, at_start: bool) -> MethodInput:
    method, initializer = method_.value, initializer_.value
    code = method.code.local() if method.code else {}
    return MethodInput(
        **method.identity(),
        version=version,
        options=method.options(initializer, at_start=at_start),
        code=code,
    )


def run_name(method: MethodInput, target: VitSpec, data: DataEntry, seed: int) -> str:
    return f"{method.name}-{size_name(target)}-{data.name}-s{seed}"
