"""What a suite costs, from closed forms: the jobs of its plan, with the sizes of the real data sets.

FLOPs of all training and evaluation over a sustained rate. What methods train is known here by its kind.
"""

import json
from collections import defaultdict

from bench import models
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


def gpu_hours(plan: Plan, rate: float) -> dict[str, float]:
    """Hours at `rate` FLOPs a second, by part: ancestors, learngenes, starts, runs, and runs that are controls."""
    flops: dict[str, float] = defaultdict(float)
    control = {cell.run for cell in plan.cells if cell.method.control and cell.method.use == "random"}
    specs = {job.id: VitSpec(**job.settings["model"]) for job in plan.jobs.values() if job.kind == "ancestor"}
    for job in plan.jobs.values():
        part = "scratch" if job.id in control else job.kind + "s"
        flops[part] += COST[job.kind](job, specs)
    return {part: value / rate / 3600 for part, value in flops.items() if value}


def recipe_of(job: Job) -> Recipe:
    return Recipe.model_validate_json(json.dumps(job.settings.get("recipe", {})))


def training(job: Job, step: float) -> float:
    """FLOPs of the job's training, `step` for an image, by its recipe."""
    return recipe_of(job).epochs * IMAGES[job.settings["data"]["name"]][0] * step


def evaluation(job: Job, forward: float, times: float) -> float:
    _, val, test = IMAGES[job.settings["data"]["name"]]
    return times * (val + test) * forward


def ancestor(job: Job, specs: dict[str, VitSpec]) -> float:
    levit = "levit" in job.id
    forward = LEVIT_384 if levit else models.forward_flops(specs[job.id])
    trained = training(job, models.train_flops(specs[job.id])) if "recipe" in job.settings else 0.0
    return trained + evaluation(job, forward, 1)


def learngene(job: Job, specs: dict[str, VitSpec]) -> float:
    method = job.settings["method"]
    options, use = method["options"], method["use"]
    if use in ("random", "weight_selection"):
        return 0.0
    if use == "mixture_growth":
        target = VitSpec(**job.local["targets"][0])
        if options.get("grow") == "width":
            half = target.replace(embed_dim=target.embed_dim // 2, num_heads=target.num_heads // 2)
            return training(job, 2 * models.train_flops(half))
        return training(job, models.train_flops(target.replace(depth=options["seed_depth"])))
    spec = specs[job.settings["ancestors"][0]]
    teacher = job.settings.get("teacher", job.settings["ancestors"][0])
    taught = LEVIT_384 if "levit" in teacher else models.forward_flops(specs[teacher])
    if use == "sws":
        aux = spec.replace(depth=sum(options["layers_per_stage"]))
        return training(job, models.train_flops(aux) + taught)
    return training(job, models.train_flops(spec) + taught)  # wave: its templates cost little beside


def start(job: Job, specs: dict[str, VitSpec]) -> float:
    steps = job.settings["method"]["options"].get("scaler_steps", 100)
    return steps * recipe_of(job).batch_size * models.train_flops(VitSpec(**job.settings["target"]))


def run(job: Job, specs: dict[str, VitSpec]) -> float:
    spec, recipe = VitSpec(**job.settings["target"]), recipe_of(job)
    evaluations = 1 + recipe.epochs / recipe.eval_every
    return training(job, models.train_flops(spec)) + evaluation(job, models.forward_flops(spec), evaluations)


COST = {"ancestor": ancestor, "learngene": learngene, "start": start, "run": run}
