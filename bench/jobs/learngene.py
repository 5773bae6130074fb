"""A learngene: what a method condenses ancestors into, once for a family of targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.identity import canonical
from bench.jobs.description import JobDescription, Result
from bench.jobs.inputs import MethodInput, averaging_settings, read_recipe, read_spec, recipe_settings
from bench.jobs.model import LEARNGENE_FILE
from bench.models import spec_settings
from bench.recipes.recipe import Recipe
from bench.suite.ready_learngene import identity
from methods import Initializer, Learngene
from methods.vit import VitSpec

if TYPE_CHECKING:
    from bench.jobs.parts.context import Context
    from bench.train.lab import JobLab

NO_TARGETS = (
    "condense read lab.targets, on which the learngene's identity does not depend; say what it takes from them by "
    "`family` or `resolve`, or say `sees_targets = True`: then there is a learngene for each set of targets"
)
NO_FIT = "condense called lab.fit; a method that trains something itself says so: trains = True"


@dataclass(frozen=True, kw_only=True)
class LearngeneJob(JobDescription):
    """What a method makes of `ancestors` for the targets of a family. recipe: of what it trains, if it does.

    ready, file: of one that is there already: the SHA-256 of its file, and where that is.
    looks_at_targets: whether the method, one from outside, says that it makes another one for other targets.
    """

    kind = "learngene"
    exported = ("learngene", "ancestor")
    cleaned_as = "learngenes"

    method: MethodInput
    family: Any  # what of the targets the learngene depends on
    ancestors: tuple[str, ...]
    served: tuple[VitSpec, ...]
    recipe: Recipe = Recipe()
    looks_at_targets: bool = False
    ready: str | None = None
    file: str | None = None

    def depends_on(self) -> dict[str, Any]:
        if self.ready is not None:
            of_file = {"method": self.method.settings(), "file": self.ready, "data": self.data.fingerprint}
            return of_file | ({"teacher": self.teacher} if self.teacher else {})
        settings = {
            "method": self.method.settings(),
            "family": self.family,
            "ancestors": list(self.ancestors),
            "data": self.data.fingerprint,
            "recipe": recipe_settings(self.recipe),
            "seed": self.seed,
            **averaging_settings(self.method, self.recipe),
        }
        if self.teacher != (self.ancestors[0] if self.ancestors else None):
            settings["teacher"] = self.teacher
        if self.looks_at_targets:
            settings["targets"] = sorted((spec_settings(spec) for spec in self.served), key=canonical)
        return settings

    def needed_jobs(self) -> list[str | None]:
        return [*self.ancestors, self.teacher]

    def local_settings(self) -> dict[str, Any]:
        targets = [dict(vars(spec)) for spec in self.served]
        file = {"file": self.file} if self.file else {}
        return {"targets": targets, "teacher": self.teacher} | self.method.local() | file

    @classmethod
    def read_fields(cls, settings: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        return {
            "method": MethodInput.read(settings, local),
            "family": settings.get("family"),
            "ancestors": tuple(settings.get("ancestors", ())),
            "served": tuple(read_spec(target) for target in local["targets"]),
            "recipe": read_recipe(settings.get("recipe", {})),
            "looks_at_targets": "targets" in settings,
            "ready": settings.get("file"),
            "file": local.get("file"),
        }

    @property
    def spec(self) -> VitSpec:
        """The deepest of the targets."""
        return max(self.served, key=lambda spec: spec.depth)

    @property
    def targets(self) -> tuple[VitSpec, ...]:
        return self.served

    @property
    def training(self) -> Recipe | None:
        return self.recipe if self.ready is None and self.method.trains else None

    @property
    def ready_made(self) -> bool:
        """Whether it came as a file, so that nobody here knows what it cost."""
        return self.ready is not None

    def equal_work(self) -> dict[str, Any]:
        work = {"method": self.method.settings(), "targets": [spec_settings(spec) for spec in self.served]}
        return work | ({"file": self.ready} if self.ready else {})

    @property
    def models_used(self) -> tuple[str, ...]:
        return (*self.ancestors, *super().models_used)

    def work(self, context: Context) -> Result:
        gene = self.condensed(context) if self.ready is None else self.taken()
        context.keep(LEARNGENE_FILE, gene.save)
        counts = {name: getattr(gene, name) for name in ("stored_params", "stored_params_head", "stored_bytes")}
        return counts, [LEARNGENE_FILE]

    def taken(self) -> Learngene:
        """The learngene that is there already. Raises ValueError where the file has changed since it was planned."""
        assert self.file is not None
        if not Path(self.file).is_file() or identity(self.file) != self.ready:
            raise ValueError(f"{self.file} has changed since this job was planned; run the suite again")
        return Learngene.load(self.file)

    def condensed(self, context: Context) -> Learngene:
        """The learngene that the method condenses."""
        lab = context.lab(no_fit="" if self.method.trains else NO_FIT)
        lab.classes = self.known_classes(context)
        if self.method.source and not self.looks_at_targets:
            lab.hide_targets(NO_TARGETS, self.method.project_modules)
        gene = self.condense(context, lab)
        if not isinstance(gene, Learngene):
            raise TypeError(f"condense returned {type(gene).__name__}; expected a methods.Learngene")
        return gene

    def rehearse(self, context: Context) -> Learngene:
        return self.condense(context, context.lab()) if self.ready is None else self.taken()

    def condense(self, context: Context, lab: JobLab) -> Learngene:
        from bench.jobs.parts.watch import same_code, watched  # not above: as in work

        with same_code(self.method, "condense"):
            initializer, seen = self.method.initializer(), context.session.seen
            ancestors = [watched(context.ancestor(id), lambda: seen.add("ancestor")) for id in self.ancestors]
            return context.timed("condense", lambda: initializer.condense(as_taken(initializer, ancestors), lab))

    def known_classes(self, context: Context) -> str | None:
        """Identity of the classes of what is learned here: the data set's, unless an ancestor or teacher has others."""
        ids = [*self.ancestors, *([self.teacher] if self.teacher else [])]
        classes = {context.result("ancestor", id)["classes"] for id in ids}
        return context.data.class_id if classes <= {context.data.class_id} else None


def as_taken(initializer: Initializer, ancestors: list[Any]) -> Any:
    """Ancestors as the method's `condense` takes them: None, one, or the list."""
    return {0: None, "many": ancestors}.get(initializer.ancestors, ancestors[0] if ancestors else None)
