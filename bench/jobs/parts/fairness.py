"""Recipes that are settled when a run starts: a tuned learning rate, a budget that a method's stages are paid from."""

from typing import Any

from bench import models
from bench.jobs.parts.context import Context
from bench.recipes.recipe import Recipe
from methods.vit import VitSpec


def tuned(context: Context, recipe: Recipe, candidates: dict[str, list[str]]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the best learning rate, and what the result says of the choice.

    candidates: tuning runs by rate. A rate's score is their mean validation top-1 at the end; the first of equals wins.
    """
    scores = _scores(context, candidates)
    best = _best(scores)
    return recipe.model_copy(update={"lr": float(best)}), {"lr": float(best), "val_top1": scores}


def outermost_is_best(context: Context, rate: float, candidates: dict[str, list[str]]) -> bool:
    """Whether the best candidate is the outermost on the side of `rate`, which lies beyond all of them."""
    rates = [float(candidate) for candidate in candidates]
    return float(_best(_scores(context, candidates))) == (min(rates) if rate < min(rates) else max(rates))


def _best(scores: dict[str, float]) -> str:
    return max(scores, key=lambda rate: scores[rate])


def _scores(context: Context, candidates: dict[str, list[str]]) -> dict[str, float]:
    """The mean validation top-1 of each rate that was tried: those that widen the grid are not where it need not be."""
    scores = {}
    for rate, runs in candidates.items():
        results = [context.result("run", id) for id in runs]
        if all(result.get("needed", True) for result in results):
            scores[rate] = sum(result["val_top1"] for result in results) / len(results)
    return scores


def within_budget(
    context: Context, recipe: Recipe, target: VitSpec, teacher: str | None, own_flops: float
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with fewer steps, and what the result says of the budget.

    own_flops: of the method's own stages, which are paid from the steps: the learngene's, shared by its sizes, and the
        initialisation's.
    """
    batch = min(recipe.batch_size, context.data.train.n)
    per_epoch = context.data.train.n // batch
    steps = recipe.total_steps(per_epoch)
    step = models.train_flops(target) * batch
    if recipe.distill is not None:
        assert teacher is not None  # the plan gives one to every run that distils
        result = context.result("ancestor", teacher)
        forward = models.forward_flops(VitSpec(**result["spec"])) if "spec" in result else result["forward_flops"]
        step += forward * batch
    left = max(int((steps * step - own_flops) // step), 0)
    facts = {"flops": steps * step, "own_flops": own_flops, "steps": left, "of_steps": steps}
    return recipe.model_copy(update={"steps": left}), facts
