"""How much work a job is, before it runs: from closed forms, good enough to order jobs and to tell the time left."""

import methods
from bench import models
from bench.jobs.model import Job
from methods.vit import VitSpec


def work_units(job: Job) -> float:
    """Estimated FLOPs of the job's training; small but positive for what does not train."""
    settings = job.settings
    recipe = settings.get("recipe", {})
    if job.kind == "learngene" and not methods.method_class(settings["method"]["use"]).trains:
        return 1.0
    if job.kind == "ancestor" and "recipe" not in settings:
        return 1.0  # from elsewhere, and only evaluated
    images = settings["data"]["counts"]["train"]
    seen = recipe["steps"] * recipe.get("batch_size", 128) if "steps" in recipe else recipe.get("epochs", 10) * images
    if job.kind == "start":
        seen = min(seen, 100 * recipe.get("batch_size", 128))
    return max(float(seen) * models.train_flops(size_of(job)), 1.0)


def size_of(job: Job) -> VitSpec:
    """The size of the model that a job is about; of a learngene's targets the deepest."""
    settings = job.settings
    if job.kind == "learngene" and job.local.get("targets"):
        return VitSpec(**max(job.local["targets"], key=lambda t: t["depth"]))
    return VitSpec(**settings.get("model", settings.get("target", {})))
