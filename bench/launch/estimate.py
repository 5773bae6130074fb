"""How much work a job is, before it runs: from closed forms, good enough to order jobs and to tell the time left."""

import methods
from bench import models
from bench.plan import Job
from methods.vit import VitSpec


def work_units(job: Job) -> float:
    """Estimated FLOPs of the job's training; small but positive for what does not train."""
    settings = job.settings
    recipe = settings.get("recipe", {})
    spec = VitSpec(**settings.get("model", settings.get("target", {})))
    if job.kind == "learngene" and not methods.method_class(settings["method"]["use"]).trains:
        return 1.0
    if job.kind == "ancestor" and "recipe" not in settings:
        return 1.0  # from elsewhere, and only evaluated
    if job.kind == "learngene":
        spec = VitSpec(**max(job.local["targets"], key=lambda t: t["depth"])) if job.local.get("targets") else spec
    images = settings["data"]["counts"]["train"]
    seen = recipe["steps"] * recipe.get("batch_size", 128) if "steps" in recipe else recipe.get("epochs", 10) * images
    if job.kind == "start":
        seen = min(seen, 100 * recipe.get("batch_size", 128))
    return max(float(seen) * models.train_flops(spec), 1.0)
