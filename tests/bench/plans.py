"""Plans of the tiny suite, for tests."""

from pathlib import Path

from bench.plan import Plan, make_plan
from bench.suite import load
from tests.bench.tiny import SUITE, write

ALL = {"random", "weight_selection", "sws", "mixture_growth", "wave"}


class Planner:
    """Makes plans of a text with settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *settings: str, text: str = SUITE, only: list[str] | None = None) -> Plan:
        return make_plan(load(write(self.folder, text), list(settings)), only)


def ids(plan: Plan, kind: str | None = None) -> set[str]:
    return {job.id for job in plan.jobs.values() if kind in (None, job.kind)}


def method_of(plan: Plan, id: str) -> str:
    """Which label a job is made for; an ancestor is everybody's."""
    return next(cell.method.label for cell in plan.cells if id in (cell.learngene, cell.start, cell.run))


def changed(before: Plan, after: Plan) -> set[tuple[str, str]]:
    """(kind, label) of the jobs that have another identity, the ancestor as (ancestor, '')."""
    new = ids(after) - ids(before)
    return {(k := after.jobs[id].kind, "" if k == "ancestor" else method_of(after, id)) for id in new}


def of(kinds, labels) -> set[tuple[str, str]]:
    return {(kind, label) for kind in kinds for label in labels}
