"""All jobs of a suite, in the order in which they are done."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from bench.collector import collector_at_rest
from bench.errors import UsageError
from bench.jobs.model import KINDS, Job
from bench.plan.cells import Builder
from bench.plan.model import Plan, RunCell
from bench.suite import Suite
from bench.suite.families import check_targets


def make_plan(suite: Suite, only: list[str] | None = None) -> Plan:
    """All jobs of a suite, or of its runs that match a pattern of `only`.

    Raises SuiteError for what cannot be (impossible sizes and options, duplicate runs), UsageError for patterns that
    match nothing.
    """
    builder = Builder(suite)
    with collector_at_rest():
        for data in suite.data:
            for method in suite.methods:
                builder.add(method, data)
    builder.reject_duplicates()
    check_targets(suite.file.families or {}, (cell.target for cell in builder.cells), suite.source)
    cells, left_out = list[RunCell](), list[RunCell]()
    for cell in builder.cells:
        chosen = not only or any(_matches(cell, pattern) for pattern in only)
        (cells if chosen else left_out).append(cell)
    if not cells:
        names = ", ".join(sorted({c.name for c in builder.cells})[:3])
        raise UsageError(f"--only {' '.join(only or [])}: matches none of {len(builder.cells)} runs (such as {names})")
    all_jobs = builder.jobs.all
    wanted = {job for cell in cells if not cell.skipped for job in (*cell.ancestors, cell.run)}
    for job in reversed(all_jobs.values()):  # what is needed was made before what needs it
        if job.id in wanted:
            wanted.update(job.needs)
    ordered = sorted((job for job in all_jobs.values() if job.id in wanted), key=lambda job: KINDS.index(job.kind))
    jobs = {job.id: job for job in ordered}
    return Plan(suite, jobs, cells, list(builder.checks.warnings), builder.jobs.described, left_out)


def _matches(cell: RunCell, pattern: str) -> bool:
    return fnmatchcase(cell.name, pattern) or cell.run == pattern


def each_kind(plan: Plan) -> Iterator[tuple[str, list[Job]]]:
    """(kind, its jobs) in the order of the flow."""
    for kind in KINDS:
        yield kind, [job for job in plan.jobs.values() if job.kind == kind]
