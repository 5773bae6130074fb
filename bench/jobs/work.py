"""The work of each kind of job: from a context to a result and the names of its artifacts."""

import dataclasses
from typing import Any

from safetensors.torch import load_file
from torch import nn

import methods
from bench import models
from bench.jobs.artifacts import ANCESTOR_FILE, LEARNGENE_FILE, START_FILE, WEIGHTS_FILE, save_model
from bench.jobs.context import Context
from bench.jobs.fairness import choose_recipe
from bench.jobs.watch import watched
from bench.recipes.recipe import Recipe
from bench.train.cost import Cost, total
from bench.train.evaluate import evaluate
from bench.train.lab import JobLab
from methods import Initializer, Learngene
from methods.vit import VitSpec

Result = tuple[dict[str, Any], list[str]]

NO_CONDENSE = "condense called lab.fit; a method that trains something itself says so: trains = True"
NO_START = "initialize called lab.fit; a method that trains to initialise says so: trains_start = True"


def ancestor(context: Context) -> Result:
    """Train (or fetch) an ancestor and evaluate it on test."""
    settings = context.job.settings
    spec = VitSpec(**settings["model"])
    if {"timm", "checkpoint"} & set(settings):
        from bench.jobs.pretrained import fetch

        model, source = fetch(context, spec)
    else:
        model, source = context.fresh(spec), {}
    data, device = context.data, context.session.device
    facts: dict[str, Any] = {"classes": data.class_id, **source}
    if "recipe" in settings:
        make_lab(context).fit(model, name="ancestor")
        facts |= {"classes": data.class_id, "head": "trained"} if source else {}
    model.to(device)
    seen = model
    if "timm_model" not in source:
        facts["spec"] = dataclasses.asdict(spec)
    else:
        from bench.jobs.pretrained import as_trained

        seen = as_trained(model, facts, data, trained_here="recipe" in settings)
    group = context.session.group
    validation = evaluate(seen, data.val, device, group=group)
    scores = evaluate(seen, data.test, device, group=group) | {"val_top1": validation["top1"]}
    own = {name: facts[name] for name in ("spec", "classes")} if "spec" in facts else None
    context.keep(ANCESTOR_FILE, lambda path: save_model(model, path, own))
    return facts | scores | {"params": sum(p.numel() for p in model.parameters())}, [ANCESTOR_FILE]


def learngene(context: Context) -> Result:
    """Condense ancestors into a learngene."""
    settings = context.job.settings
    initializer = make_initializer(settings)
    seen = context.session.seen
    ancestors = [watched(context.ancestor(id), lambda: seen.add("ancestor")) for id in settings["ancestors"]]
    lab = make_lab(context, no_fit="" if initializer.trains else NO_CONDENSE)
    lab.classes = known_classes(context)
    made = timed(context, "condense", lambda: initializer.condense(as_taken(initializer, ancestors), lab))
    if not isinstance(made, Learngene):
        raise TypeError(f"condense returned {type(made).__name__}; expected a methods.Learngene")
    context.keep(LEARNGENE_FILE, made.save)
    counts = {name: getattr(made, name) for name in ("stored_params", "stored_params_head", "stored_bytes")}
    return counts, [LEARNGENE_FILE]


def known_classes(context: Context) -> str | None:
    """Identity of the classes of what is learned here: the data set's, unless an ancestor or teacher has others."""
    ids = [*context.job.settings["ancestors"], context.job.local.get("teacher")]
    known = {context.result("ancestor", id)["classes"] for id in ids if id}
    return context.data.class_id if known <= {context.data.class_id} else None


def start(context: Context) -> Result:
    """Initialise a target by a method that trains to do so."""
    target, extra = initialized(context)
    context.keep(START_FILE, lambda path: save_model(target, path))
    return extra, [START_FILE]


def run(context: Context) -> Result:
    """Train a target from its starting weights and evaluate it from step 0 on."""
    settings, device, group = context.job.settings, context.session.device, context.session.group
    if "start" in settings:
        started = context.result("start", settings["start"])
        target, extra = context.fresh(VitSpec(**settings["target"])), {"teacher_params": started["teacher_params"]}
        target.load_state_dict(load_file(str(context.store.job_dir("start", settings["start"]).path / START_FILE)))
    else:
        target, extra = initialized(context)
    init_costs = total(context.session.costs)
    needs = sorted(context.session.seen)
    recipe, chosen = choose_recipe(context, init_costs)
    lab = make_lab(context, recipe)

    def scores(model: nn.Module) -> dict[str, float]:
        validation = evaluate(model, context.data.val, device, recipe.precision, group)
        if settings.get("part") == "val":  # a tuning run does not look at test
            return validation | {"val_top1": validation["top1"]}
        return evaluate(model, context.data.test, device, recipe.precision, group) | {"val_top1": validation["top1"]}

    evals = lab.fit(target, name="run", loss="kd" if recipe.distill else "ce", evaluate=scores)
    last = evals[-1]
    best = max(evals[1:] or evals, key=lambda e: e["val_top1"])  # the first of equals
    spec = VitSpec(**settings["target"])
    result = (
        extra
        | chosen
        | {
            "params": sum(p.numel() for p in target.parameters()),
            "macs": models.macs(spec),
            "epochs": last["epoch"],
            "top1_init": evals[0]["top1"],
            "best_top1": best["top1"],
            "best_epoch": best["epoch"],
            **{name: last[name] for name in ("top1", "top5", "loss", "val_top1")},
            "init_cost": init_costs.as_dict(),
            "train_cost": context.session.costs["run"].as_dict(),
            "needs": needs,
            "evals": evals,
        }
    )
    if not context.job.local.get("keep_weights"):
        return result, []
    facts = {"spec": dataclasses.asdict(spec), "classes": context.data.class_id}
    context.keep(WEIGHTS_FILE, lambda path: save_model(target, path, facts))
    return result, [WEIGHTS_FILE]


WORK = {"ancestor": ancestor, "learngene": learngene, "start": start, "run": run}


def initialized(context: Context) -> tuple[nn.Module, dict[str, Any]]:
    """A target with its starting weights, and the parameters of a teacher that `initialize` used."""
    settings = context.job.settings
    id = settings["learngene"]
    context.result("learngene", id)
    gene = Learngene.load(context.store.job_dir("learngene", id).path / LEARNGENE_FILE)
    target = context.fresh(VitSpec(**settings["target"]))
    lab = make_lab(context, no_fit=NO_START if context.job.kind == "run" else "")
    timed(context, "initialize", lambda: make_initializer(settings).initialize(target, gene, lab))
    teacher = lab.teacher() if "teacher" in context.session.seen else None
    target.to(context.session.device).requires_grad_(True)
    return target, {"teacher_params": sum(p.numel() for p in teacher.parameters()) if teacher else 0}


def timed(context: Context, name: str, work: Any) -> Any:
    """Run a method's function; the seconds and joules that no fit or meter of it accounts for are charged under its
    name."""
    with context.session.clock.stage(name) as stage:
        value = work()
    cost = context.session.costs[name] = Cost()
    stage.charge(cost)
    return value


def make_initializer(settings: dict[str, Any]) -> Initializer:
    method = settings["method"]
    return methods.get(method["use"], **method["options"])


def as_taken(initializer: Initializer, ancestors: list[Any]) -> Any:
    """Ancestors as the method's `condense` takes them: None, one, or the list."""
    return {0: None, "many": ancestors}.get(initializer.ancestors, ancestors[0] if ancestors else None)


def make_lab(context: Context, recipe: Recipe | None = None, no_fit: str = "") -> JobLab:
    local = context.job.local
    teacher = local.get("teacher")
    targets = [VitSpec(**t) for t in local.get("targets", [])] or [VitSpec(**context.job.settings.get("target", {}))]
    return JobLab(
        context.session,
        context.data,
        seed=context.job_seed(),
        recipe=recipe or context.recipe,
        targets=targets,
        load_teacher=(lambda: context.teacher(teacher)) if teacher else None,
        no_fit=no_fit,
    )
