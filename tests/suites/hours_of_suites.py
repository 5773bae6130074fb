"""What a suite costs, from closed forms: the jobs of its plan, with the sizes of the real data sets.

FLOPs of all training and evaluation over a sustained rate, and images that are loaded for it over another. What methods
train is known here by its kind.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from bench import models
from bench.data import Description
from bench.jobs.model import Job
from bench.plan import Plan
from bench.recipes.recipe import Recipe
from methods.vit import VitSpec

# images in train, val (2% of train where there is none) and test
IMAGES = {
    "imagenet": (1_255_544, 25_623, 50_000),
    "cifar10": (49_000, 1_000, 10_000),
    "cifar100": (49_000, 1_000, 10_000),
    "flowers102": (1_020, 1_020, 6_149),
    "cub200": (5_874, 120, 5_794),
    "stanford_cars": (7_981, 163, 8_041),
    "food101": (74_235, 1_515, 25_250),
    "inat2019": (260_000, 5_213, 3_030),
}
LEVIT_384 = 2 * 2_351_786_880  # FLOPs of its forward pass of an image, counted on the meta device


class Work(NamedTuple):
    """A training, or evaluations: images are loaded while the ones before are computed on."""

    flops: float
    images: float


def real_size(description: Description) -> Description:
    """That of a stand-in, with as many images as the data set has."""
    counts = dict(zip(("train", "val", "test"), IMAGES[description.name], strict=True))
    return replace(description, counts=counts, fingerprint={**description.fingerprint, "counts": counts})


def gpu_hours(plan: Plan, rate: float) -> dict[str, float]:
    """Hours at `rate` FLOPs a second, by part: ancestors, learngenes, starts, runs, and runs that are controls."""
    flops: dict[str, float] = defaultdict(float)
    control = {cell.run for cell in plan.cells if cell.method.control and cell.method.use == "random"}
    for job, work in works(plan):
        flops["scratch" if job.id in control else job.kind + "s"] += work.flops
    return {part: value / rate / 3600 for part, value in flops.items() if value}


def loaded_hours(plan: Plan, rate: float, pace: float) -> float:
    """Hours of all on one GPU of `rate` FLOPs a second that is given `pace` images a second, one job after the other.

    An image costs as much to evaluate on as to train on here, where it costs less: hours are at most these.
    """
    return sum(max(work.flops / rate, work.images / pace) for _, work in works(plan)) / 3600


def works(plan: Plan) -> Iterator[tuple[Job, Work]]:
    specs = {job.id: VitSpec(**job.settings["model"]) for job in plan.jobs.values() if job.kind == "ancestor"}
    for job in plan.jobs.values():
        for work in WORKS[job.kind](job, specs):
            yield job, work


def recipe_of(job: Job) -> Recipe:
    return Recipe.model_validate_json(json.dumps(job.settings.get("recipe", {})))


def training(job: Job, step: float, times: int = 1) -> Work:
    """The job's training by its recipe, `step` FLOPs for an image; of so many models, one after the other."""
    images = times * recipe_of(job).epochs * IMAGES[job.settings["data"]["name"]][0]
    return Work(images * step, images)


def evaluation(job: Job, forward: float, times: float) -> Work:
    _, val, test = IMAGES[job.settings["data"]["name"]]
    images = times * (val + test)
    return Work(images * forward, images)


def ancestor(job: Job, specs: dict[str, VitSpec]) -> list[Work]:
    levit = "levit" in job.id
    forward = LEVIT_384 if levit else models.forward_flops(specs[job.id])
    trained = [training(job, models.train_flops(specs[job.id]))] if "recipe" in job.settings else []
    return [*trained, evaluation(job, forward, 1)]


def learngene(job: Job, specs: dict[str, VitSpec]) -> list[Work]:
    method = job.settings["method"]
    options, use = method["options"], method["use"]
    if use in ("random", "weight_selection"):
        return []
    if use == "mixture_growth":
        target = VitSpec(**job.local["targets"][0])
        if options.get("grow") == "width":
            half = target.replace(embed_dim=target.embed_dim // 2, num_heads=target.num_heads // 2)
            return [training(job, models.train_flops(half), times=2)]
        return [training(job, models.train_flops(target.replace(depth=options["seed_depth"])))]
    spec = specs[job.settings["ancestors"][0]]
    teacher = job.settings.get("teacher", job.settings["ancestors"][0])
    taught = LEVIT_384 if "levit" in teacher else models.forward_flops(specs[teacher])
    if use == "sws":
        aux = spec.replace(depth=sum(options["layers_per_stage"]))
        return [training(job, models.train_flops(aux) + taught)]
    return [training(job, models.train_flops(spec) + taught)]  # wave: its templates cost little beside


def start(job: Job, specs: dict[str, VitSpec]) -> list[Work]:
    images = job.settings["method"]["options"].get("scaler_steps", 100) * recipe_of(job).batch_size
    return [Work(images * models.train_flops(VitSpec(**job.settings["target"])), images)]


def run(job: Job, specs: dict[str, VitSpec]) -> list[Work]:
    spec, recipe = VitSpec(**job.settings["target"]), recipe_of(job)
    evaluations = evaluation(job, models.forward_flops(spec), 1 + recipe.epochs / recipe.eval_every)
    return [training(job, models.train_flops(spec)), evaluations]


WORKS = {"ancestor": ancestor, "learngene": learngene, "start": start, "run": run}
