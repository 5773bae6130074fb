"""From a plan and the results directory to rows of runs.csv and points of the learning curves."""

import json
from collections.abc import Sequence
from typing import Any

from bench import models
from bench.identity import canonical, digest
from bench.jobs.ancestor import AncestorJob
from bench.jobs.description import JobDescription
from bench.jobs.inputs import recipe_settings
from bench.jobs.learngene import LearngeneJob
from bench.plan import Plan, RunCell
from bench.results.earlier import fingerprint_of
from bench.results.states import JobStates
from bench.shapes import mismatch
from bench.store import Store, log
from bench.store.job_dir import LOG
from bench.store.result_shapes import POINT
from bench.train.cost import Cost

# columns that a run's result says as they are
FROM_RESULT: tuple[str, ...] = (
    "peak_memory_bytes",
    "device",
    "devices",
    "workers_on_device",
    "git_sha",
    "torch",
    "timm",
    "started_at",
    "best_epoch",
)
FROM_RESULT += ("val_top1", "threads", "device_name", "host", "python", "engine", "git_dirty")


def rows(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """A row per run of the suite, in the suite's order; its columns are CONTRACT and EXTRA of `report.columns`."""
    states, conditions, families = JobStates(plan, store), Conditions(), {"families": declared_families(plan)}
    return [row(cell, states) | conditions.of(cell) | families for cell in plan.cells]


class Conditions:
    """Columns of what runs have in common, each made once: by these tables can be joined."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], dict[str, str]] = {}

    def of(self, cell: RunCell) -> dict[str, str]:
        key = (id(cell.data), id(cell.recipe))
        if key not in self.known:
            data = digest(dict(cell.data.description.fingerprint))
            self.known[key] = {"data": data, "recipe": canonical(recipe_settings(cell.recipe))}
        if not cell.trials:
            return self.known[key]
        recipe = {name: value for name, value in json.loads(self.known[key]["recipe"]).items() if name != "lr"}
        return self.known[key] | {"recipe": canonical(recipe)}


def row(cell: RunCell, states: JobStates) -> dict[str, Any]:
    suite, spec = states.plan.suite, cell.spec
    gene, start, run = (states.result(id) for id in (cell.learngene, cell.start, cell.run))
    ancestors = [states.result(id) for id in cell.ancestors]
    status, reason = ("skipped", cell.skipped) if cell.skipped else states.state(cell.run)
    init = (start.get("cost") if cell.start else run.get("init_cost")) or {}
    train = run.get("train_cost") or {}
    teacher_params = start.get("teacher_params", 0) + (0 if cell.start else run.get("teacher_params", 0))
    other_teacher = [cell.teacher] if cell.teacher and uses_other_teacher(cell, gene, start, run) else []
    shared = with_begun([*cell.ancestors, *other_teacher], states.plan)
    options = cell.method.options(cell.initializer) | ({"train": cell.method.train} if cell.method.train else {})
    own_runs = (suite.resolved["methods"][cell.method.label] or {}).get("runs")
    options |= {"runs": own_runs} if own_runs else {}
    return {
        "suite": suite.name,
        "run": cell.run,
        "method": cell.method.label,
        "options": canonical(options),
        "dataset": cell.data.name,
        "arch": "vit",
        "target": cell.target,
        **{name: getattr(spec, name) for name in ("embed_dim", "depth", "num_heads")},
        "seed": cell.seed,
        "status": status,
        "reason": reason,
        "params": models.params(spec),
        "macs": models.macs(spec),
        "ancestor": " ".join(shared),
        "learngene": cell.learngene or "",
        "stored_params": gene["stored_params"] + teacher_params if gene else None,
        "stored_params_head": gene.get("stored_params_head"),
        "stored_bytes": gene["stored_bytes"] + 4 * teacher_params if gene else None,
        "needs": needs(gene, start, run) if run else "",
        "epochs": run.get("epochs"),
        **{name: run.get(name) for name in ("top1_init", "top1", "top5", "best_top1", "loss")},
        "ancestor_top1": ancestors[0].get("top1") if ancestors and same_data(cell, states.plan) else None,
        **stage("ancestor", shared, states),
        "ancestor_each": each("ancestor", shared, states),
        **stage("learngene", [cell.learngene] if cell.learngene else [], states),
        **stage("tuning", cell.trials, states),
        **part("init", init, start if cell.start else run),
        **{f"train_{what}": train.get(what) for what in ("images", "flops", "seconds")},
        "unmetered": unmetered(gene, start, run) if run else None,
        "energy_joules": train.get("energy_joules"),
        "tuning": " ".join(cell.trials),
        "eval_seconds": train.get("eval_seconds"),
        "restarts": run["restarts"] + start.get("restarts", 0) if run else None,
        **{name: run.get(name) for name in FROM_RESULT},
        "method_use": cell.method.use,
        "method_seed": cell.seed if suite.file.replicate == "all" and not cell.method.starts_from_file else 0,
        "version": cell.initializer.version_of(None if cell.skipped else cell.spec),
        "caution": cell.initializer.caution,
        "head": cell.initializer.head,
        "head_used": run.get("head_used"),
        "replicate": suite.file.replicate,
        "budget": suite.file.budget,
        "control": cell.method.control,
        "lr": run.get("tuned", {}).get("lr", cell.recipe.lr),
        "tune": canonical(run["tuned"]) if "tuned" in run else "",
        "precision": cell.recipe.precision,
        "fingerprint": "" if cell.skipped else fingerprint_of(states.plan.jobs[cell.run], run, start, gene, *ancestors),
        "error": reason if status == "failed" else "",
        "log": f"jobs/run/{cell.run}/{LOG}",
    }


def with_begun(ancestors: Sequence[str], plan: Plan) -> list[str]:
    """Ancestors, each behind those whose weights it began with: they cost, too."""
    line: list[str] = []
    for id in ancestors:
        job = plan.description(id)
        line += with_begun([job.start], plan) if isinstance(job, AncestorJob) and job.start else []
        line.append(id)
    return list(dict.fromkeys(line))


def declared_families(plan: Plan) -> str:
    """The families of tests that the suite declares, JSON by name; empty without any. `left_out`: how many of a
    family's runs `--only` leaves out, without which it is partly filled."""
    families = {name: family.as_mapping() for name, family in (plan.suite.file.families or {}).items()}
    left_out = [cell for cell in plan.left_out if not cell.skipped]
    for entry in families.values():
        labels = {*entry.get("among", ()), *entry.get("labels", ()), entry.get("against")}
        targets = entry.get("targets")
        left = sum(cell.method.label in labels and cell.target in (targets or [cell.target]) for cell in left_out)
        entry |= {"left_out": left} if left else {}
    return canonical(families) if families else ""


def uses_other_teacher(cell: RunCell, *results: dict[str, Any]) -> bool:
    """Whether a teacher that is no ancestor of the method was used, so that its cost counts too."""
    used = cell.recipe.distill is not None or any("teacher" in result.get("needs", []) for result in results)
    return used and cell.teacher not in cell.ancestors


def stage(name: str, jobs: Sequence[str], states: JobStates) -> dict[str, Any]:
    """Columns of what whole jobs cost together: unknown where one is not done, or was not done here."""
    if not jobs:
        return part(name, Cost().as_dict(), {})
    results = [states.result(id) for id in jobs]
    if not all(results) or any(from_elsewhere(states.plan.description(id)) for id in jobs):
        return part(name, {}, {})
    costs = [result["cost"] for result in results]
    energy = [cost.get("energy_joules") for cost in costs]
    together = {what: sum(cost[what] for cost in costs) for what in ("images", "flops", "seconds")}
    together["energy_joules"] = None if None in energy else sum(energy)
    # where jobs differ in how they used devices, the dearest reading counts
    workers = min(result.get("workers_on_device", 1) for result in results)
    return part(
        name, together, {"workers_on_device": workers, "devices": max(result.get("devices", 1) for result in results)}
    )


def each(name: str, jobs: list[str], states: JobStates) -> str:
    """The same columns for each of several jobs, JSON by identity: runs may share some of them and not others."""
    return canonical({id: stage(name, [id], states) for id in jobs}) if len(jobs) > 1 else ""


def same_data(cell: RunCell, plan: Plan) -> bool:
    """Whether the (first) ancestor was evaluated on the data set of the run."""
    jobs = (cell.ancestors[0], cell.run)
    if any(id not in plan.jobs for id in jobs):
        return False
    return len({canonical(plan.description(id).data.fingerprint) for id in jobs}) == 1


def from_elsewhere(job: JobDescription) -> bool:
    """Whether weights came ready-made, so that nobody here knows what they cost."""
    return isinstance(job, AncestorJob | LearngeneJob) and job.ready_made


def part(name: str, cost: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    """Columns of a part of the cost that `job` did."""
    columns = {f"{name}_{what}": cost.get(what) for what in ("images", "flops", "seconds", "energy_joules")}
    return columns | {f"{name}_workers": job.get("workers_on_device"), f"{name}_devices": job.get("devices")}


def unmetered(*results: dict[str, Any]) -> int | None:
    """Forward passes whose FLOPs nobody was charged for; None where no version counted them."""
    passes = [result["unmetered"] for result in results if "unmetered" in result]
    return sum(passes) if passes else None


def needs(*results: dict[str, Any]) -> str:
    """What a method was seen to use, of its learngene, start and run."""
    seen = {thing for result in results for thing in result.get("needs", [])}
    return "+".join(sorted(seen)) or "nothing"


def curves(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """A point per evaluation of each run: of done ones from the result, of others from the log."""
    states = JobStates(plan, store)
    points = []
    for id in dict.fromkeys(cell.run for cell in plan.cells if not cell.skipped):
        evals = states.result(id).get("evals")
        if evals is None:
            events = log.read(states.folder(id).log)
            logged = [e for e in events if e.get("event") == "eval" and not mismatch(e, POINT)]
            evals = list({e["step"]: e for e in logged}.values())
        names = ("epoch", "step", "images", "flops", "seconds", "top1", "val_top1", "loss")
        points += [{"run": id, **{name: e.get(name) for name in names}} for e in evals]
    return points
