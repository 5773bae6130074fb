"""The jobs of a plan: what each kind's identity is made of, and which jobs it needs."""

from typing import Any

from bench import ENGINE
from bench.data.manifest import manifest_name
from bench.identity import canonical, digest, size_name, spec_settings
from bench.jobs.model import Job
from bench.plan.model import Cell
from bench.recipes.recipe import Recipe, merge
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite
from bench.suite.ancestor_source import source_settings
from methods.vit import VitSpec


class Jobs:
    """Makes jobs and keeps each once. Its methods return identities."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.all: dict[str, Job] = {}
        self._data: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._recipes: dict[int, dict[str, Any]] = {}

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
        cell: Cell,
        data: DataEntry,
        recipe: dict[str, Any],
        members: list[VitSpec],
        teacher: str | None,
        seed: int,
    ) -> str:
        """What a method makes once for a family of targets. `recipe` is of what it trains."""
        method, (fingerprint, local) = cell.method, self.data(data)
        own_teacher = cell.ancestors[0] if cell.ancestors else None
        settings = {
            "method": method.identity() | {"options": method.options(cell.initializer, at_start=False)},
            "family": method.initializer.family(cell.spec),
            "ancestors": cell.ancestors,
            "data": fingerprint,
            "recipe": recipe,
            "seed": seed,
        }
        if teacher != own_teacher:
            settings["teacher"] = teacher
        if method.may_look_at_targets:
            settings["targets"] = sorted((spec_settings(s) for s in members), key=canonical)
        local = {"data": local, "targets": [dict(vars(s)) for s in members], "teacher": teacher}
        prefix = f"{method_name(method)}-{data.name}-s{seed}"
        return self.add("learngene", prefix, settings, [*cell.ancestors, teacher], local)

    def start(self, cell: Cell, recipe: dict[str, Any], teacher: str | None) -> str:
        """A target initialised by a method that trains to do so."""
        fingerprint, local = self.data(cell.data)
        settings = {
            "method": cell.method.identity() | {"options": cell.method.options(cell.initializer)},
            "learngene": cell.learngene,
            "target": spec_settings(cell.spec),
            "data": fingerprint,
            "recipe": recipe,
            "seed": cell.seed,
        }
        local = {"data": local, "teacher": teacher}
        return self.add("start", cell_prefix(cell), settings, [cell.learngene, teacher], local)

    def run(self, cell: Cell, teacher: str | None, **extra: Any) -> str:
        """A target trained and evaluated. `teacher` is at hand, and part of the identity where the run distils.

        extra: further settings of the identity: `budget`, `tune`, `part`.
        """
        fingerprint, local = self.data(cell.data)
        settings = self.run_settings(cell, fingerprint) | extra
        if "tune" in extra:
            settings["recipe"] = {k: v for k, v in settings["recipe"].items() if k != "lr"}
        if cell.recipe.distill is not None:
            settings["teacher"] = teacher
        local = {"data": local, "teacher": teacher, "keep_weights": self.suite.file.keep_weights}
        candidates = [run for runs in cell.tuned_by.values() for run in runs]
        return self.add("run", cell_prefix(cell), settings, [cell.start or cell.learngene, teacher, *candidates], local)

    def run_settings(self, cell: Cell, fingerprint: dict[str, Any]) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "target": spec_settings(cell.spec),
            "data": fingerprint,
            "recipe": dump(cell.recipe),
            "seed": cell.seed,
        }
        if cell.start:
            return settings | {"start": cell.start}
        method = cell.method.identity() | {"options": cell.method.options(cell.initializer)}
        return settings | {"method": method, "learngene": cell.learngene}

    def skipped(self, cell: Cell) -> str:
        """A name for a run that will not be."""
        return f"{cell_prefix(cell)}-{digest(self.run_settings(cell, self.data(cell.data)[0]))}"

    def data(self, entry: DataEntry) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of a data set goes into identities, and what a worker needs besides."""
        if id(entry) not in self._data:  # an ancestor's may have the name of another one
            fingerprint = dict(entry.description.fingerprint)
            local = entry.settings.model_dump(mode="json")
            if entry.description.manifest:
                local["manifest"] = manifest_name(self.suite.name, entry.settings)
            self._data[id(entry)] = fingerprint, local
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


def method_recipe(method: MethodEntry, ancestor: AncestorEntry | None) -> dict[str, Any]:
    """What a method trains follows the ancestor's recipe unless the method's `train` says otherwise."""
    base = dump(ancestor.recipe) if ancestor is not None and ancestor.recipe is not None else {}
    return dump(Recipe.model_validate(merge(base, method.train)))


def dump(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields that differ from their defaults. `steps` stand in for `epochs`, which then do nothing."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    return {k: v for k, v in fields.items() if k != "epochs" or "steps" not in fields}


def method_name(method: MethodEntry) -> str:
    """The method's own name, whatever its label: labels are not part of identities."""
    return method.use.rpartition(":")[2]


def cell_prefix(cell: Cell) -> str:
    return f"{method_name(cell.method)}-{size_name(cell.spec)}-{cell.data.name}-s{cell.seed}"
