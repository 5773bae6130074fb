"""Controls of equal compute: `random` trained for as long as a method takes in all (ancestor, learngene and runs of one
seed, by the estimate of a plan), by the recipe of its runs and by its ancestor's. What a suite lacks of them is
proposed as lines of YAML; a longer control serves the cheaper methods, too."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.plan.model import Plan, RunCell
from bench.recipes.recipe import Recipe
from bench.suite import MethodEntry
from bench.suite.recipes import merged

CLOSE = 0.75  # share of a method's cost that is called equal: it is an estimate, and a control serves several methods
LENGTH = {"epochs", "steps", "eval_every", "accumulate", "compile"}  # not part of what a recipe does in a step


@dataclass(frozen=True)
class Need:
    """A control for a method: a recipe, and for how many images of each run it trains."""

    method: str
    recipe: Recipe
    images: float
    by_ancestor: bool

    def met_by(self, recipe: Recipe, images: float) -> bool:
        return _step(recipe) == _step(self.recipe) and images >= CLOSE * self.images


def proposals(plan: Plan) -> list[str]:
    """Return the lines to add below `methods`, the longest controls first; none where the suite has an equal total
    budget, or has them all."""
    suite = plan.suite
    if suite.file.budget == "total":
        return []
    there: list[tuple[Recipe, float]] = [
        (method.runs, plan.description(cells[0].run).images)
        for method in suite.methods
        if method.use == "random" and (cells := _cells(plan, method))
    ]
    base = merged(Recipe(), suite.file.train, suite.source, ("train",))
    train_images = suite.data[0].description.counts["train"]
    lines = []
    for need in sorted(_needs(plan), key=lambda need: -need.images):
        if not any(need.met_by(*one) for one in there):
            there.append((need.recipe, need.images))
            lines.append(_line(need, base, train_images))
    return lines


def _needs(plan: Plan) -> Iterator[Need]:
    for method in plan.suite.methods:
        cells = _cells(plan, method)
        if not cells or not (cells[0].ancestors or method.initializer.trains):
            continue
        runs = {cell.run for cell in cells}
        flops_of_runs = sum(plan.description(run).flops for run in runs)
        images = plan.description(cells[0].run).images
        if not images:
            continue
        every = images * sum(plan.description(id).flops for id in _needed(plan, runs)) / flops_of_runs
        yield Need(method.label, method.runs, every, by_ancestor=False)
        for id in cells[0].ancestors:
            recipe = plan.description(id).training
            if recipe is not None and recipe.trains:
                yield Need(method.label, recipe, every, by_ancestor=True)


def _cells(plan: Plan, method: MethodEntry) -> list[RunCell]:
    """A method's runs of one seed on the first data set."""
    cells = [
        cell for cell in plan.cells if cell.method is method and not cell.skipped and cell.data is plan.suite.data[0]
    ]
    return [cell for cell in cells if cell.seed == cells[0].seed]


def _needed(plan: Plan, runs: set[str]) -> set[str]:
    """These jobs with all that they need."""
    todo, needed = list(runs), set[str]()
    while todo:
        id = todo.pop()
        if id not in needed:
            needed.add(id)
            todo += plan.jobs[id].needs
    return needed


def _step(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(exclude=LENGTH)


def _line(need: Need, base: Recipe, train_images: int) -> str:
    """The entry of the section `methods`, in flow style, which is JSON where quotes are needed."""
    changes = _changes(base.model_dump(mode="json"), need.recipe.model_dump(mode="json"))
    changes = {key: value for key, value in changes.items() if key not in LENGTH}
    unit, each = ("epochs", train_images) if need.recipe.steps is None else ("steps", need.recipe.batch_size)
    changes[unit] = math.ceil(round(need.images / each, 3))
    if unit == "epochs" and base.steps is not None:
        changes["steps"] = None
    label = f"random_for_{need.method}"[:80] + ("_as_ancestor" if need.by_ancestor else "")
    control = f"as much training as {need.method} takes in all" + (", as the ancestor's" if need.by_ancestor else "")
    return f"{label}: {{use: random, runs: {json.dumps(changes)}, control: {json.dumps(control)}}}"


def _changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What of `new` is not in `old`; mappings by their keys."""
    differing = {key: value for key, value in new.items() if value != old.get(key)}
    return {
        key: _changes(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in differing.items()
    }
