"""From a plan and the results directory to rows of training.csv: the losses of everything that is trained."""

from typing import Any

from bench.plan import Plan, RunCell
from bench.results.rows import with_begun
from bench.results.states import JobStates
from bench.store import Store, log
from bench.train.curve import points

POINT = ("epoch", "step", "images", "loss", "lr")


def training(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """A row per epoch of each fit of each job of the suite: of done jobs from the result, of others from the log.
    Results of versions that kept no losses have no rows."""
    states, users = JobStates(plan, store), users_of(plan)
    rows = []
    for id, job in plan.jobs.items():
        result = states.result(id)
        fits = result.get("training", {}) if result else points(log.read(states.folder(id).log))
        datasets, used_by = users.get(id, ([], []))
        about = {"suite": plan.suite.name, "dataset": " ".join(datasets), "kind": job.kind, "job": id}
        about["used_by"] = " ".join(used_by)
        for fit, epochs in fits.items():
            rows += [{**about, "fit": fit, **{name: point.get(name) for name in POINT}} for point in epochs]
    return rows


def users_of(plan: Plan) -> dict[str, tuple[list[str], list[str]]]:
    """Job -> the data sets of the runs that it is for, and their labels; of a run, its name instead."""
    users: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for cell in plan.cells:
        if cell.skipped:
            continue
        for id, name in {**dict.fromkeys(shared(cell, plan), cell.method.label), cell.run: cell.name}.items():
            datasets, names = users.setdefault(id, ({}, {}))
            datasets[cell.data.name], names[name] = None, None
    return {id: (list(datasets), list(names)) for id, (datasets, names) in users.items()}


def shared(cell: RunCell, plan: Plan) -> list[str]:
    """The jobs that a run is made of, besides itself."""
    teacher = [cell.teacher] if cell.teacher else []
    gene_and_start = [id for id in (cell.learngene, cell.start) if id]
    return [*with_begun([*cell.ancestors, *teacher], plan), *gene_and_start, *cell.trials]
