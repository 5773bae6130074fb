"""From a suite to jobs: a DAG ancestor -> learngene -> start -> run, each with its identity. Torch-free."""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from bench import ENGINE
from bench.errors import SuiteError
from bench.identity import digest, size_name, spec_settings
from bench.recipe import Recipe, merge
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite
from methods import Initializer
from methods.vit import VitSpec

KINDS = ("ancestor", "learngene", "start", "run")


@dataclass
class Job:
    """A unit of work. `settings` make its identity; `local` (paths and the like) do not."""

    kind: str
    id: str
    settings: dict[str, Any]
    needs: tuple[str, ...]  # identities of jobs that must be done before
    local: dict[str, Any]


@dataclass
class Cell:
    """A run of the suite as a row of the results: method x target x data set x seed."""

    method: MethodEntry
    initializer: Initializer  # with its derived options filled in
    data: DataEntry
    spec: VitSpec
    target: str
    seed: int
    recipe: Recipe
    skipped: str | None = None
    run: str = ""
    start: str | None = None
    learngene: str | None = None
    ancestors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The readable id that `--only` filters by."""
        return f"{self.method.label}-{self.target}-{self.data.name}-s{self.seed}"

    @property
    def jobs(self) -> list[str]:
        return [job for job in (*self.ancestors, self.learngene, self.start, self.run) if job]


@dataclass
class Plan:
    suite: Suite
    jobs: dict[str, Job]  # in an order in which what is needed comes first
    cells: list[Cell]


def make_plan(suite: Suite, only: list[str] | None = None) -> Plan:
    """All jobs of a suite. Raises SuiteError for what cannot be: impossible sizes, options, duplicate runs."""
    builder = _Builder(suite)
    for data in suite.data:
        for method in suite.methods:
            builder.add(method, data)
    builder.reject_duplicates()
    cells = [cell for cell in builder.cells if not only or any(_matches(cell, pattern) for pattern in only)]
    if not cells:
        names = ", ".join(sorted({c.name for c in builder.cells})[:3])
        raise SuiteError(
            [f"--only {' '.join(only or [])}: matches none of {len(builder.cells)} runs (such as {names})"]
        )
    wanted = {job for cell in cells for job in cell.jobs if not cell.skipped}
    for job in reversed(builder.jobs.values()):
        if job.id in wanted:
            wanted.update(job.needs)
    jobs = {
        id: job for id, job in sorted(builder.jobs.items(), key=lambda item: KINDS.index(item[1].kind)) if id in wanted
    }
    return Plan(suite, jobs, cells)


def _matches(cell: Cell, pattern: str) -> bool:
    return fnmatchcase(cell.name, pattern) or fnmatchcase(cell.run, pattern)


class _Builder:
    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.jobs: dict[str, Job] = {}
        self.cells: list[Cell] = []
        self._specs: dict[tuple[Any, ...], VitSpec] = {}

    # -- sizes ---------------------------------------------------------------------------------------------------

    def base(self, ancestor: AncestorEntry | None, data: DataEntry) -> VitSpec:
        key = (ancestor.name if ancestor else None, data.name)
        if key not in self._specs:
            try:
                self._specs[key] = self.suite.base_spec(ancestor, data)
            except ValueError as error:
                raise self.suite.source.error(ancestor.position if ancestor else (), str(error)) from None
        return self._specs[key]

    def targets(self, method: MethodEntry, data: DataEntry) -> list[tuple[VitSpec, list[AncestorEntry], Any]]:
        """Every target of the suite with the ancestors that serve it."""
        from bench.suite.sizes import spec

        out = []
        for target in self.suite.targets:
            ancestors = self.ancestors_of(method, target.ancestor)
            shaped_like = ancestors[0] if ancestors else self.only_ancestor(target.ancestor)
            try:
                size = spec(target.given, self.base(shaped_like, data).replace(**data.image), data.image)
            except (ValueError, TypeError) as error:
                raise self.suite.source.error(target.position, str(error)) from None
            out.append((size, ancestors, target.position))
        return out

    def only_ancestor(self, named: str | None) -> AncestorEntry | None:
        entries = self.suite.ancestors
        if named is not None:
            return entries[named]
        return next(iter(entries.values())) if len(entries) == 1 else None

    def ancestors_of(self, method: MethodEntry, target_ancestor: str | None) -> list[AncestorEntry]:
        """The ancestors of a method for a target: the method's own, else the target's, else the only one."""
        entries, wanted = self.suite.ancestors, method.initializer.ancestors
        if not wanted:
            return []
        if method.ancestors:
            chosen = [entries[name] for name in method.ancestors]
        elif target_ancestor is not None or len(entries) == 1:
            chosen = [self.only_ancestor(target_ancestor)]
        else:
            chosen = list(entries.values()) if wanted == "many" else []
        if wanted == 1 and len(chosen) != 1:
            message = f"{method.label} takes one ancestor; say which with 'ancestor' (named: {', '.join(entries)})"
            raise self.suite.source.error(method.position, message)
        return chosen

    # -- cells ---------------------------------------------------------------------------------------------------

    def add(self, method: MethodEntry, data: DataEntry) -> None:
        """All runs of a method on a data set; one learngene per family of targets and ancestors."""
        sizes = self.targets(method, data)
        names = target_names([size for size, _, _ in sizes])
        served: list[tuple[VitSpec, str, list[AncestorEntry], str | None]] = []
        for (size, ancestors, position), name in zip(sizes, names, strict=True):
            base = self.base(ancestors[0], data) if ancestors else None
            reason = method.initializer.supports(base, size)
            if reason is None:
                self.check(method, base, size, position)
            served.append((size, name, ancestors, reason))
        for size, name, ancestors, reason in served:
            family = self.family(method, size, ancestors)
            members = [s for s, _, a, r in served if r is None and self.family(method, s, a) == family]
            base = self.base(ancestors[0], data) if ancestors else None
            initializer = method.initializer.resolve(base, members) if reason is None else method.initializer
            for seed in method.seeds:
                cell = Cell(method, initializer, data, size, name, seed, method.runs, reason)
                self.link(cell, ancestors, members)
                self.cells.append(cell)

    def family(self, method: MethodEntry, size: VitSpec, ancestors: list[AncestorEntry]) -> Any:
        return (method.initializer.family(size), tuple(a.name for a in ancestors))

    def check(self, method: MethodEntry, base: VitSpec | None, size: VitSpec, position: Any) -> None:
        try:
            method.initializer.check(base, size)
        except ValueError as error:
            line = self.suite.source.place(position)
            raise self.suite.source.error(method.position, f"{error} (target {size_name(size)} of {line})") from None

    def reject_duplicates(self) -> None:
        seen: dict[str, Cell] = {}
        for cell in self.cells:
            other = None if cell.skipped else seen.setdefault(cell.run, cell)
            if other is not None and other is not cell:
                if other.method is cell.method:
                    raise self.suite.source.error(("targets",), f"the target {cell.target} is listed twice")
                raise self.suite.source.error(
                    cell.method.position,
                    f"the labels {other.method.label!r} and {cell.method.label!r} describe the same run {cell.run}",
                )

    # -- jobs ----------------------------------------------------------------------------------------------------

    def link(self, cell: Cell, ancestors: list[AncestorEntry], members: list[VitSpec]) -> None:
        """Give the cell its jobs and their identities."""
        made_with = cell.seed if self.suite.file.replicate == "all" else 0
        cell.ancestors = [self.ancestor(a, cell.data, made_with) for a in ancestors]
        if cell.skipped:
            cell.run = self.run_id(cell, None)
            return
        ancestor_data = (ancestors[0].data if ancestors else None) or cell.data
        cell.learngene = self.learngene(cell, ancestors, ancestor_data, members, made_with)
        if cell.initializer.trains_start:
            cell.start = self.start(cell, ancestors)
        cell.run = self.run_id(cell, ancestors)

    def job(self, kind: str, prefix: str, settings: dict[str, Any], needs: list[str], local: dict[str, Any]) -> str:
        settings = {"kind": kind, "engine": ENGINE, **settings}
        if self.suite.file.threads != 1:
            settings["threads"] = self.suite.file.threads
        id = f"{prefix}-{digest(settings)}"
        if id not in self.jobs:
            local = {"device": self.suite.file.device, "checkpoint": self.suite.file.checkpoint.seconds, **local}
            self.jobs[id] = Job(kind, id, settings, tuple(dict.fromkeys(needs)), local)
        return id

    def data(self, entry: DataEntry) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of a data set goes into the identity, and what a worker needs besides."""
        return entry.description.fingerprint, entry.settings.model_dump(mode="json")

    def teacher(self, cell_data: DataEntry, default: str | None, seed: int) -> str | None:
        """The identity of the classifier distilled from: the suite's teacher, else the ancestor."""
        name = self.suite.file.teacher
        return self.ancestor(self.suite.ancestors[name], cell_data, seed) if name else default

    def ancestor(self, entry: AncestorEntry, runs_on: DataEntry, seed: int) -> str:
        from bench.suite.ancestor_source import source_settings

        data = entry.data or runs_on
        fingerprint, local = self.data(data)
        spec = self.base(entry, runs_on)
        settings = {"model": spec_settings(spec), "data": fingerprint}
        source, where = source_settings(entry)
        settings |= source
        if entry.recipe is not None:
            settings |= {"recipe": dump(entry.recipe), "seed": seed}
        prefix = f"{source.get('timm', size_name(spec))}-{data.name}-s{seed}"
        return self.job("ancestor", prefix, settings, [], {"data": local, **where})

    def method_recipe(self, cell: Cell, ancestors: list[AncestorEntry]) -> dict[str, Any]:
        """What a method trains follows the ancestor's recipe unless the method's `train` says otherwise."""
        entry = ancestors[0] if ancestors else self.only_ancestor(None)
        base = dump(entry.recipe) if entry is not None and entry.recipe is not None else {}
        return dump(Recipe.model_validate(merge(base, cell.method.train)))

    def learngene(
        self, cell: Cell, ancestors: list[AncestorEntry], data: DataEntry, members: list[VitSpec], seed: int
    ) -> str:
        method, (fingerprint, local) = cell.method, self.data(data)
        needs = cell.ancestors
        teacher = self.teacher(data, needs[0] if needs else None, seed)
        settings = {
            "method": method.identity() | {"options": method.options(cell.initializer, at_start=False)},
            "family": method.initializer.family(cell.spec),
            "ancestors": needs,
            "data": fingerprint,
            "recipe": self.method_recipe(cell, ancestors),
            "seed": seed,
        }
        if teacher not in (None, needs[0] if needs else None):
            settings["teacher"] = teacher
        prefix = f"{method_name(method)}-{data.name}-s{seed}"
        targets = [dataclasses.asdict(s) for s in members]
        all_needs = [*needs, *([teacher] if teacher else [])]
        return self.job(
            "learngene", prefix, settings, all_needs, {"data": local, "targets": targets, "teacher": teacher}
        )

    def start(self, cell: Cell, ancestors: list[AncestorEntry]) -> str:
        fingerprint, local = self.data(cell.data)
        teacher = self.learngene_teacher(cell)
        settings = {
            "method": cell.method.identity() | {"options": cell.method.options(cell.initializer)},
            "learngene": cell.learngene,
            "target": spec_settings(cell.spec),
            "data": fingerprint,
            "recipe": self.method_recipe(cell, ancestors),
            "seed": cell.seed,
        }
        prefix = f"{method_name(cell.method)}-{size_name(cell.spec)}-{cell.data.name}-s{cell.seed}"
        needs = [cell.learngene, *([teacher] if teacher else [])]
        return self.job("start", prefix, settings, needs, {"data": local, "teacher": teacher})

    def learngene_teacher(self, cell: Cell) -> str | None:
        job = self.jobs[cell.learngene]
        return job.settings.get("teacher") or (cell.ancestors[0] if cell.ancestors else None)

    def run_id(self, cell: Cell, ancestors: list[AncestorEntry] | None) -> str:
        method, (fingerprint, local) = cell.method, self.data(cell.data)
        settings: dict[str, Any] = {
            "target": spec_settings(cell.spec),
            "data": fingerprint,
            "recipe": dump(cell.recipe),
            "seed": cell.seed,
        }
        teacher = None
        if cell.start:
            settings["start"] = cell.start
        else:
            settings["method"] = method.identity() | {"options": method.options(cell.initializer)}
            settings["learngene"] = cell.learngene
        if ancestors is not None and cell.recipe.distill is not None:
            teacher = self.run_teacher(cell)
            settings["teacher"] = teacher
        prefix = f"{method_name(method)}-{size_name(cell.spec)}-{cell.data.name}-s{cell.seed}"
        if cell.skipped:
            return f"{prefix}-{digest(settings)}"
        needs = [cell.start or cell.learngene, *([teacher] if teacher else [])]
        local = {"data": local, "teacher": teacher or (None if cell.start else self.learngene_teacher(cell))}
        local["keep_weights"] = self.suite.file.keep_weights
        if local["teacher"] and local["teacher"] not in needs:
            needs.append(local["teacher"])
        return self.job("run", prefix, settings, needs, local)

    def run_teacher(self, cell: Cell) -> str:
        seed = cell.seed if self.suite.file.replicate == "all" else 0
        entry = self.only_ancestor(self.suite.file.teacher)
        if entry is None:
            message = "distill needs a teacher; expected one ancestor, or a top-level key 'teacher' that names one"
            raise self.suite.source.error(("train", "distill"), message)
        return self.ancestor(entry, cell.data, seed)


def dump(recipe: Recipe) -> dict[str, Any]:
    """A recipe's fields that differ from their defaults."""
    return recipe.model_dump(mode="json", exclude_defaults=True)


def method_name(method: MethodEntry) -> str:
    """The method's own name, whatever its label: labels are not part of identities."""
    return method.use.rpartition(":")[2]


def target_names(sizes: list[VitSpec]) -> list[str]:
    """A readable name per size, told apart by what differs beyond depth and width."""
    names = [size_name(s) for s in sizes]
    extras = (("h", "num_heads"), ("p", "patch_size"), ("m", "mlp_ratio"), ("c", "class_token"))
    for (letter, attribute), _ in itertools.product(extras, range(1)):
        for i, name in enumerate(names):
            same = [
                s for s, n in zip(sizes, names, strict=True) if n.split("-" + letter)[0] == name.split("-" + letter)[0]
            ]
            if len({getattr(s, attribute) for s in same}) > 1 and f"-{letter}" not in name:
                names[i] = f"{name}-{letter}{getattr(sizes[i], attribute):g}"
    return names


def each_kind(plan: Plan) -> Iterator[tuple[str, list[Job]]]:
    for kind in KINDS:
        yield kind, [job for job in plan.jobs.values() if job.kind == kind]
