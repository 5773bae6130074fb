"""A run: a target trained from its starting weights, and evaluated from step 0 on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench import models
from bench.jobs.description import JobDescription, Result
from bench.jobs.inputs import MethodInput, read_recipe, read_spec, recipe_settings
from bench.jobs.model import START_FILE, WEIGHTS_FILE
from bench.models import spec_settings
from bench.recipes.recipe import Recipe
from bench.train.cost import total
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import nn

    from bench.jobs.parts.context import Context

NO_FIT = "initialize called lab.fit; a method that trains to initialise says so: trains_start = True"


@dataclass(frozen=True, kw_only=True)
class RunJob(JobDescription):
    """A run on `target`, which begins from the start `start`, or from what `method` makes of `learngene`.

    recipe:     how it trains; its learning rate does not count where there are candidates.
    sizes:      of an equal total budget: how many targets share the learngene `paid_learngene`.
    candidates: tuning runs by the learning rate, as text, that they tried.
    part:       `val` for a tuning run, which does not look at test.
    keep_weights: which stay, of `none`, `start`, `end` and `both`; those of a `start` job are kept there.
    widens:     of a tuning run beyond the rates that were tried before: the runs of these, by rate. It is trained only
                where the best of them is the outermost on its side.
    """

    kind = "run"
    exported = ("end", "start", "learngene", "ancestor")

    target: VitSpec
    recipe: Recipe
    method: MethodInput | None = None
    learngene: str | None = None
    start: str | None = None
    paid_learngene: str | None = None
    sizes: int = 0
    candidates: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    part: Literal["val"] | None = None
    keep_weights: str = "none"
    widens: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def depends_on(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "target": spec_settings(self.target),
            "data": self.data.fingerprint,
            "recipe": recipe_settings(self.recipe),
            "seed": self.seed,
        }
        if self.start is not None:
            settings["start"] = self.start
        elif self.method is not None:
            settings |= {"method": self.method.settings(), "learngene": self.learngene}
        if self.part is not None:
            settings["part"] = self.part
        if self.paid_learngene is not None:
            settings["budget"] = {"learngene": self.paid_learngene, "sizes": self.sizes}
        if self.candidates:
            settings["tune"] = {"lr": self.candidates}
            settings["recipe"] = {name: value for name, value in settings["recipe"].items() if name != "lr"}
        if self.widens:
            settings["widens"] = {"lr": self.widens}
        if self.distils and self.teacher is not None:
            settings["teacher"] = self.teacher
        return settings

    def needed_jobs(self) -> list[str | None]:
        trials = [run for runs in (self.candidates | self.widens).values() for run in runs]
        return [self.start or self.learngene, self.teacher, *trials]

    @property
    def files_taken(self) -> tuple[str, ...]:
        return tuple(id for id in (self.start or self.learngene, *self.models_used) if id)

    def local_settings(self) -> dict[str, Any]:
        method = self.method.local() if self.method is not None else {}
        return super().local_settings() | {"keep_weights": self.keep_weights} | method

    @classmethod
    def read_fields(cls, settings: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
        budget, keep = settings.get("budget", {}), local.get("keep_weights", "none")
        return {
            "target": read_spec(settings["target"]),
            "recipe": read_recipe(settings["recipe"]),
            "method": MethodInput.read(settings, local) if "method" in settings else None,
            "learngene": settings.get("learngene"),
            "start": settings.get("start"),
            "paid_learngene": budget.get("learngene"),
            "sizes": budget.get("sizes", 0),
            "candidates": settings.get("tune", {}).get("lr", {}),
            "part": settings.get("part"),
            "keep_weights": {True: "end", False: "none"}.get(keep, keep),  # earlier versions knew these two
            "widens": settings.get("widens", {}).get("lr", {}),
        }

    @property
    def spec(self) -> VitSpec:
        return self.target

    @property
    def training(self) -> Recipe | None:
        return self.recipe

    @property
    def may_not_train(self) -> bool:
        return bool(self.widens)

    @property
    def distils(self) -> bool:
        return self.recipe.distill is not None

    @property
    def kept_files(self) -> list[str]:
        """The artifacts, as `keep_weights` wishes."""
        start = self.keep_weights in ("start", "both") and self.start is None
        return [START_FILE] * start + [WEIGHTS_FILE] * (self.keep_weights in ("end", "both"))

    @property
    def models_kept(self) -> int:
        return len(self.kept_files)

    def equal_work(self) -> dict[str, Any]:
        return {}

    @property
    def models_used(self) -> tuple[str, ...]:
        return super().models_used if self.distils else ()

    def work(self, context: Context) -> Result:
        # not above: they import torch, and descriptions are read where plans are made
        from bench.jobs.parts.artifacts import save_model
        from bench.jobs.parts.fairness import outermost_is_best, tuned, within_budget

        target, facts = self.starting_weights(context)
        init_cost = total(context.session.costs)
        described = {"spec": dataclasses.asdict(self.target), "classes": context.data.class_id}
        if START_FILE in self.kept_files:
            context.keep(START_FILE, lambda path: save_model(target, path, described))
        needs = sorted(context.session.seen)
        recipe = self.recipe
        if self.candidates:
            recipe, facts["tuned"] = tuned(context, recipe, self.candidates)
        if self.widens and not outermost_is_best(context, recipe.lr, self.widens):
            recipe, facts["needed"] = recipe.model_copy(update={"steps": 0}), False
        if self.paid_learngene is not None:
            start_flops = context.result("start", self.start)["cost"]["flops"] if self.start else init_cost.flops
            learngene_flops = context.result("learngene", self.paid_learngene)["cost"]["flops"]
            own_flops = learngene_flops / self.sizes + start_flops
            recipe, facts["budget"] = within_budget(context, recipe, self.target, self.teacher, own_flops)
        evals = self.train(context, target, recipe, evaluate=self.scores(context, recipe))
        last = evals[-1]
        best = max(evals[1:] or evals, key=lambda point: point["val_top1"])  # the first of equals
        result = facts | {
            "params": sum(p.numel() for p in target.parameters()),
            "macs": models.macs(self.target),
            "epochs": last["epoch"],
            "top1_init": evals[0]["top1"],
            "best_top1": best["top1"],
            "best_epoch": best["epoch"],
            **{name: last[name] for name in ("top1", "top5", "loss", "val_top1")},
            "init_cost": init_cost.as_dict(),
            "train_cost": context.session.costs["run"].as_dict(),
            "needs": needs,
            "evals": evals,
        }
        if WEIGHTS_FILE in self.kept_files:
            context.keep(WEIGHTS_FILE, lambda path: save_model(target, path, described))
        return result, self.kept_files

    def rehearse(self, context: Context) -> None:
        self.train(context, context.fresh(self.target), self.recipe)

    def starting_weights(self, context: Context) -> tuple[nn.Module, dict[str, Any]]:
        """The target as it starts, and the parameters of a teacher that its start used."""
        from bench.jobs.parts.initialised import initialised, started  # not above: as in work

        if self.start is not None:
            return started(context, self.start, self.target)
        assert self.method is not None and self.learngene is not None
        return initialised(context, self.method, self.learngene, self.target, no_fit=NO_FIT)

    def train(self, context: Context, target: nn.Module, recipe: Recipe, **options: Any) -> list[dict[str, Any]]:
        """Returns the evaluations, where `evaluate` is among the options."""
        return context.lab(recipe).fit(target, name="run", loss="kd" if recipe.distill else "ce", **options)

    def scores(self, context: Context, recipe: Recipe) -> Callable[[nn.Module], dict[str, float]]:
        """What evaluates the target: on test, and by `val_top1` on validation."""
        from bench.train.evaluate import evaluate  # not above: as in work

        data, session = context.data, context.session

        def scores(model: nn.Module) -> dict[str, float]:
            validation = evaluate(model, data.val, session.device, recipe.precision, session.group)
            if self.part == "val":  # a tuning run does not look at test
                return validation | {"val_top1": validation["top1"]}
            test = evaluate(model, data.test, session.device, recipe.precision, session.group)
            return test | {"val_top1": validation["top1"]}

        return scores
