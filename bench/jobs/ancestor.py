"""An ancestor: a model that is trained here, or fetched from elsewhere, and evaluated on test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.jobs.description import JobDescription, Result
from bench.jobs.inputs import WeightsInput, read_recipe, read_spec, recipe_settings
from bench.jobs.model import ANCESTOR_FILE
from bench.models import spec_settings
from bench.recipes.recipe import Recipe
from bench.suite.timm_models import lookup
from methods.vit import VitSpec, build_vit

if TYPE_CHECKING:
    from torch import nn

    from bench.jobs.parts.context import Context


@dataclass(frozen=True, kw_only=True)
class AncestorJob(JobDescription):
    """An ancestor of size `model`. recipe: None where it is not trained here. weights: None where none are fetched.
    start: the ancestor whose weights its training begins with."""

    kind = "ancestor"
    exported = ("ancestor",)

    model: VitSpec
    recipe: Recipe | None = None
    weights: WeightsInput | None = None
    start: str | None = None

    def depends_on(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"model": spec_settings(self.model), "data": self.data.fingerprint}
        if self.weights is not None:
            settings |= self.weights.settings()
        if self.recipe is not None:
            settings |= {"recipe": recipe_settings(self.recipe), "seed": self.seed}
        if self.start is not None:
            settings["start"] = self.start
        return settings

    def needed_jobs(self) -> list[str | None]:
        return [self.start]

    def local_settings(self) -> dict[str, Any]:
        return self.weights.local() if self.weights is not None else {}

    @classmethod
    def read_fields(cls, settings: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        return {
            "model": read_spec(settings["model"]),
            "recipe": read_recipe(settings["recipe"]) if "recipe" in settings else None,
            "weights": WeightsInput.read(settings, local),
            "start": settings.get("start"),
        }

    @property
    def spec(self) -> VitSpec:
        return self.model

    @property
    def training(self) -> Recipe | None:
        return self.recipe

    @property
    def size_name(self) -> str:
        return (self.weights and self.weights.timm) or super().size_name

    @property
    def ready_made(self) -> bool:
        """Whether weights came ready-made, so that nobody here knows what they cost."""
        return self.weights is not None and self.weights.ready_made

    def equal_work(self) -> dict[str, Any]:
        return {"timm": self.weights.timm if self.weights else None}

    def random_model(self) -> nn.Module:
        """A model of its architecture with random weights."""
        name = self.weights.timm if self.weights else None
        if name is None or lookup(name).vit is not None:
            return build_vit(self.model)
        import timm  # not above: it imports torch, and descriptions are read where plans are made

        return timm.create_model(name, num_classes=self.model.num_classes, in_chans=self.model.in_chans)

    def work(self, context: Context) -> Result:
        # not above: they import torch, and descriptions are read where plans are made
        from bench.jobs.parts.artifacts import save_model
        from bench.train.evaluate import evaluate

        if self.weights is not None:
            from bench.jobs.parts.pretrained import fetch  # it takes half a second

            model, source = fetch(context, self.weights, self.model)
        else:
            model, source = context.fresh(self.model), {}
            if self.start is not None:
                model.load_state_dict(context.ancestor(self.start).state_dict())
        data, device, group = context.data, context.session.device, context.session.group
        facts: dict[str, Any] = {"classes": data.class_id, **source}
        if self.recipe is not None:
            self.train(context, model)
            facts |= {"classes": data.class_id, "head": "trained"} if source else {}
        model.to(device)
        evaluated = model
        if "timm_model" not in source:
            facts["spec"] = dataclasses.asdict(self.model)
        else:
            from bench.jobs.parts.pretrained import as_trained

            evaluated = as_trained(model, facts, data, trained_here=self.recipe is not None)
        validation = evaluate(evaluated, data.val, device, group=group)
        scores = evaluate(evaluated, data.test, device, group=group) | {"val_top1": validation["top1"]}
        described = {name: facts[name] for name in ("spec", "classes")} if "spec" in facts else None
        context.keep(ANCESTOR_FILE, lambda path: save_model(model, path, described))
        return facts | scores | {"params": sum(p.numel() for p in model.parameters())}, [ANCESTOR_FILE]

    def rehearse(self, context: Context) -> None:
        if self.recipe is not None:
            self.train(context, self.random_model().to(context.session.device))

    def train(self, context: Context, model: nn.Module) -> None:
        context.lab().fit(model, name="ancestor")
