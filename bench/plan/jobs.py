"""The jobs of a plan: what each kind's identity is made of, and which jobs it needs."""

from typing import Any

from bench import ENGINE
from bench.identity import canonical, digest, size_name, spec_settings
from bench.jobs.model import Job
from bench.plan.model import Family
from bench.recipes.recipe import Recipe, merge
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite
from bench.suite.ancestor_source import source_settings
from methods import Initializer
from methods.vit import VitSpec


class Jobs:
    """Makes jobs and keeps each once. Its methods return identities."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.all: dict[str, Job] = {}
        self._data: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}

    def ancestor(self, entry: AncestorEntry, spec: VitSpec, data: DataEntry, seed: int) -> str:
        """An ancestor that is trained, or fetched, and evaluated."""
        fingerprint, local = self.data(data)
        source, where = source_settings(entry)
        settings = {"model": spec_settings(spec), "data": fingerprint, **source}
        if entry.recipe is not None:
            settings |= {"recipe": dump(entry.recipe), "seed": seed}
        prefix = f"{source.get('timm', size_name(spec))}-{data.name}-s{seed}"
        return self.add("ancestor", prefix, settings, [], {"data": local, **where})

    def learngene(
        self,
        method: MethodEntry,
        initializer: Initializer,
        data: DataEntry,
        family: Any,
        ancestors: tuple[str, ...],
        recipe: Recipe,
        targets: list[VitSpec],
        teacher: str | None,
        seed: int,
    ) -> str:
        """What a method makes once for a family of targets. `recipe` is of what it trains."""
        fingerprint, local = self.data(data)
        settings = {
            "method": method.identity() | {"options": method.options(initializer, at_start=False)},
            "family": family,
            "ancestors": list(ancestors),
            "data": fingerprint,
            "recipe": dump(recipe),
            "seed": seed,
        }
        if teacher != (ancestors[0] if ancestors else None):
            settings["teacher"] = teacher
        if method.may_look_at_targets:
            settings["targets"] = sorted((spec_settings(s) for s in targets), key=canonical)
        local = {"data": local, "targets": [dict(vars(s)) for s in targets], "teacher": teacher}
        prefix = f"{method_name(method)}-{data.name}-s{seed}"
        return self.add("learngene", prefix, settings, [*ancestors, teacher], local)

    def start(self, family: Family, target: VitSpec, seed: int) -> str:
        """A target initialised by a method that trains to do so."""
        fingerprint, local = self.data(family.data)
        settings = {
            "method": family.method.identity() | {"options": family.method.options(family.initializer)},
            "learngene": family.learngene,
            "target": spec_settings(target),
            "data": fingerprint,
            "recipe": dump(family.recipe),
            "seed": seed,
        }
        local = {"data": local, "teacher": family.teacher}
        prefix = run_prefix(family.method, family.data, target, seed)
        return self.add("start", prefix, settings, [family.learngene, family.teacher], local)

    def run(
        self,
        family: Family,
        target: VitSpec,
        seed: int,
        recipe: Recipe,
        start: str | None,
        *,
        part: str | None = None,
        candidates: dict[str, list[str]] | None = None,
    ) -> str:
        """A target trained and evaluated. The teacher is at hand, and part of the identity where the run distils.

        part: what a tuning run is evaluated on. candidates: tuning runs by the learning rates to choose from.
        """
        fingerprint, local = self.data(family.data)
        settings: dict[str, Any] = {
            "target": spec_settings(target),
            "data": fingerprint,
            "recipe": dump(recipe),
            "seed": seed,
        }
        if start:
            settings["start"] = start
        else:
            method = family.method.identity() | {"options": family.method.options(family.initializer)}
            settings |= {"method": method, "learngene": family.learngene}
        if part:
            settings["part"] = part
        if self.suite.file.budget == "total":
            settings["budget"] = {"learngene": family.learngene, "sizes": family.sizes}
        if candidates:
            settings["tune"] = {"lr": candidates}
            settings["recipe"] = {k: v for k, v in settings["recipe"].items() if k != "lr"}
        if recipe.distill is not None:
            settings["teacher"] = family.run_teacher
        local = {"data": local, "teacher": family.run_teacher, "keep_weights": self.suite.file.keep_weights}
        trials = [run for runs in (candidates or {}).values() for run in runs]
        prefix = run_prefix(family.method, family.data, target, seed)
        return self.add("run", prefix, settings, [start or family.learngene, family.run_teacher, *trials], local)

    def skipped_run(self, method: MethodEntry, data: DataEntry, target: VitSpec, seed: int) -> str:
        """A name for a run that will not be."""
        settings = {
            "target": spec_settings(target),
            "data": self.data(data)[0],
            "recipe": dump(method.runs),
            "seed": seed,
            "method": method.identity() | {"options": method.options()},
            "learngene": None,
        }
        return f"{run_prefix(method, data, target, seed)}-{digest(settings)}"

    def data(self, entry: DataEntry) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of a data set goes into identities, and what a worker needs besides."""
        if id(entry) not in self._data:  # an ancestor's may have the name of another one
            fingerprint = dict(entry.description.fingerprint)
            self._data[id(entry)] = fingerprint, entry.settings.model_dump(mode="json")
        return self._data[id(entry)]

    def add(
        self, kind: str, prefix: str, settings: dict[str, Any], needs: list[str | None], local: dict[str, Any]
    ) -> str:
        file = self.suite.file
        settings = {"kind": kind, "engine": ENGINE, **settings}
        if file.threads != 1:
            settings["threads"] = file.threads
        id = f"{prefix}-{digest(settings)}"
        if id not in self.all:
            local = {"device": file.device, "checkpoint": file.checkpoint.seconds, **local}
            if file.gpus_per_run > 1:
                local["gpus_per_run"] = file.gpus_per_run
            distinct = tuple(dict.fromkeys(need for need in needs if need))
            self.all[id] = Job(kind, id, settings, distinct, local)
        return id


def method_recipe(method: MethodEntry, ancestor: AncestorEntry | None) -> Recipe:
    """What a method trains follows the ancestor's recipe unless the method's `train` says otherwise."""
    base = dump(ancestor.recipe) if ancestor is not None and ancestor.recipe is not None else {}
    return Recipe.model_validate(merge(base, method.train))


def dump(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields that differ from their defaults. `steps` stand in for `epochs`, which then do nothing."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    return {k: v for k, v in fields.items() if k != "epochs" or "steps" not in fields}


def method_name(method: MethodEntry) -> str:
    """The method's own name, whatever its label: labels are not part of identities."""
    return method.use.rpartition(":")[2]


def run_prefix(method: MethodEntry, data: DataEntry, target: VitSpec, seed: int) -> str:
    return f"{method_name(method)}-{size_name(target)}-{data.name}-s{seed}"
