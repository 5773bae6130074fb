"""Recipes that are settled when a run starts: a tuned learning rate, a budget that a method's stages are paid from."""

from typing import Any

from bench import models
from bench.jobs.context import Context
from bench.recipes.recipe import Recipe
from bench.train.cost import Cost
from methods.vit import VitSpec


def choose_recipe(context: Context, init: Cost) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a run, and what its result says of how it was settled. `init` is the cost of its start so far."""
    settings, recipe, said = context.job.settings, context.recipe, {}
    if "tune" in settings:
        scores = {rate: tuning_score(context, runs) for rate, runs in settings["tune"]["lr"].items()}
        best = max(scores, key=lambda rate: scores[rate])  # the first of equals
        recipe = recipe.model_copy(update={"lr": float(best)})
        said["tuned"] = {"lr": float(best), "val_top1": scores}
    if "budget" in settings:
        recipe, said["budget"] = within_budget(context, recipe, init)
    return recipe, said


def tuning_score(context: Context, runs: list[str]) -> float:
    """Mean validation top-1 at the end of the tuning runs of one candidate."""
    scores = [context.result("run", id)["val_top1"] for id in runs]
    return sum(scores) / len(scores)


def within_budget(context: Context, recipe: Recipe, init: Cost) -> tuple[Recipe, dict[str, Any]]:
    """Fewer steps: the FLOPs of the learngene, shared by its sizes, and of the initialisation are paid from them."""
    settings = context.job.settings
    budget = settings["budget"]
    batch = min(recipe.batch_size, context.data.train.n)
    per_epoch = context.data.train.n // batch
    steps = recipe.epochs * per_epoch if recipe.steps is None else recipe.steps
    step = models.train_flops(VitSpec(**settings["target"])) * batch
    if recipe.distill is not None:
        teacher = context.result("ancestor", settings["teacher"])
        plain = models.forward_flops(VitSpec(**teacher["spec"])) if "spec" in teacher else teacher["forward_flops"]
        step += plain * batch
    learngene = context.result("learngene", budget["learngene"])["cost"]["flops"]
    started = context.result("start", settings["start"])["cost"]["flops"] if "start" in settings else init.flops
    own = learngene / budget["sizes"] + started
    left = max(int((steps * step - own) // step), 0)
    said = {"flops": steps * step, "own_flops": own, "steps": left, "of_steps": steps}
    return recipe.model_copy(update={"steps": left}), said
