"""From jobs to Slurm's arrays: which jobs share an allocation, which allocations an array, and what each waits for."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bench.jobs import Job, estimated_flops
from bench.plan import Plan
from bench.suite.slurm import Slurm

MANY = 32  # different dependencies among like jobs, beyond which they all wait for the same: one array instead of many


@dataclass
class Array:
    """Like allocations that wait for the same. An element is a group of jobs."""

    kind: str
    wishes: Any
    groups: list[list[Job]]
    after: set[tuple[int, int]] = field(default_factory=set)  # (array, element) submitted with this one
    queued: set[str] = field(default_factory=set)  # Slurm's ids of what was submitted before
    parallelism: int = 1  # elements at once

    @property
    def share(self) -> int:
        """Processes of a job on a node."""
        return self.groups[0][0].local.get("gpus_per_run", 1) // self.wishes.nodes


def section(plan: Plan) -> Slurm:
    """What a suite asks of Slurm."""
    return plan.suite.file.slurm or Slurm()


def make_arrays(todo: dict[str, Job], section: Slurm, queued: dict[str, str], limit: int) -> list[Array]:
    """The arrays for some jobs, in an order in which what is waited for comes first.

    queued: Slurm's id of each job that is submitted already; limit: elements in an array, at most.
    """
    units = _units(todo, section)
    unit_of = {job.id: i for i, unit in enumerate(units) for job in unit}
    needs = [{unit_of[n] for job in unit for n in job.needs if n in unit_of} - {i} for i, unit in enumerate(units)]

    @cache
    def level(i: int) -> int:
        return 1 + max((level(n) for n in needs[i]), default=0)

    arrays: list[Array] = []
    place: dict[int, tuple[int, int]] = {}  # array and element of each unit
    for at in sorted({level(i) for i in range(len(units))}):
        for array, members in _like(
            [i for i in range(len(units)) if level(i) == at], units, needs, place, queued, section
        ):
            packs = _pack(members, units, array.wishes.runs_per_job)
            for first in range(0, len(packs), limit):
                chunk = packs[first : first + limit]
                place |= {i: (len(arrays), element) for element, pack in enumerate(chunk) for i in pack}
                groups = [[job for i in pack for job in units[i]] for pack in chunk]
                arrays.append(Array(array.kind, array.wishes, groups, array.after, array.queued))
    for array in arrays:
        alike = sum(other.kind == array.kind for other in arrays)
        array.parallelism = max(1, array.wishes.array_parallelism // alike)
    return arrays


def _units(todo: dict[str, Job], section: Slurm) -> list[list[Job]]:
    """Jobs that go together: a start and the one run that waits for it, where they ask for the same."""
    dependents: dict[str, list[Job]] = defaultdict(list)
    for job in todo.values():
        for need in job.needs:
            dependents[need].append(job)
    joined = {}
    if section.of("start") == section.of("run"):
        starts = [job for job in todo.values() if job.kind == "start" and len(dependents[job.id]) == 1]
        joined = {dependents[job.id][0].id: job for job in starts}
    alone = {job.id for job in joined.values()}
    return [[joined[job.id], job] if job.id in joined else [job] for job in todo.values() if job.id not in alone]


def _like(
    members: Iterable[int],
    units: list[list[Job]],
    needs: list[set[int]],
    place: dict[int, tuple[int, int]],
    queued: dict[str, str],
    section: Slurm,
) -> list[tuple[Array, list[int]]]:
    """Units of a level by what they ask for and wait for."""
    kinds: dict[str, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i in members:
        after = frozenset(place[n] for n in needs[i])
        before = frozenset(queued[n] for job in units[i] for n in job.needs if n in queued)
        kinds[units[i][-1].kind][after, before].append(i)
    arrays = []
    for kind, classes in kinds.items():
        if len(classes) > MANY:
            together = tuple(frozenset().union(*(key[side] for key in classes)) for side in (0, 1))
            classes = {together: [i for members in classes.values() for i in members]}
        for (after, before), same in classes.items():
            arrays.append((Array(kind, section.of(kind), [], set(after), set(before)), same))
    return arrays


def _pack(members: list[int], units: list[list[Job]], size: int) -> list[list[int]]:
    """Units in packs of up to `size`, about equally long: the longest first, dealt out one by one."""
    ordered = sorted(members, key=lambda i: (-sum(estimated_flops(job) for job in units[i]), units[i][-1].id))
    count = -(-len(ordered) // size)
    return [ordered[i::count] for i in range(count)]
