"""A start: a target initialised by a method that trains to do so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.jobs.description import JobDescription, Result
from bench.jobs.inputs import MethodInput, averaging_settings, read_recipe, read_spec, recipe_settings
from bench.jobs.model import START_FILE
from bench.models import spec_settings
from bench.recipes.recipe import Recipe
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import nn

    from bench.jobs.parts.context import Context

MOST_STEPS = 100  # that the estimate counts on where the method does not say: what trains to initialise is short


@dataclass(frozen=True, kw_only=True)
class StartJob(JobDescription):
    """The starting weights of `target`. recipe: of what the method trains to initialise; steps: how many it says."""

    kind = "start"
    exported = ("start", "learngene", "ancestor")

    method: MethodInput
    learngene: str
    target: VitSpec
    recipe: Recipe
    steps: int | None = None

    def depends_on(self) -> dict[str, Any]:
        return {
            "method": self.method.settings(),
            "learngene": self.learngene,
            "target": spec_settings(self.target),
            "data": self.data.fingerprint,
            "recipe": recipe_settings(self.recipe),
            "seed": self.seed,
            **averaging_settings(self.method, self.recipe),
        }

    def needed_jobs(self) -> list[str | None]:
        return [self.learngene, self.teacher]

    def local_settings(self) -> dict[str, Any]:
        steps = {} if self.steps is None else {"steps": self.steps}
        return super().local_settings() | self.method.local() | steps

    @classmethod
    def read_fields(cls, settings: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        return {
            "method": MethodInput.read(settings, local),
            "learngene": settings["learngene"],
            "target": read_spec(settings["target"]),
            "recipe": read_recipe(settings["recipe"]),
            "steps": local.get("steps"),
        }

    @property
    def spec(self) -> VitSpec:
        return self.target

    @property
    def training(self) -> Recipe | None:
        return self.recipe

    @property
    def images(self) -> int:
        batch = min(self.recipe.batch_size, self.data.train_images)
        return min(super().images, MOST_STEPS * batch) if self.steps is None else self.steps * batch

    def equal_work(self) -> dict[str, Any]:
        return {"method": self.method.settings()}

    def work(self, context: Context) -> Result:
        from bench.jobs.parts.artifacts import save_model  # not above: it imports torch, and plans read descriptions

        target, facts = self.rehearse(context)
        context.keep(START_FILE, lambda path: save_model(target, path))
        return facts, [START_FILE]

    def rehearse(self, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        from bench.jobs.parts.initialised import initialised  # not above: as in work

        return initialised(context, self.method, self.learngene, self.target)
