"""Reads a suite file: validates it whole and resolves it; any problem is a SuiteError, before anything starts."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import DataMissing, DataSettings, Description, describe
from bench.errors import SuiteError
from bench.recipes.recipe import Recipe
from bench.suite import families, method_entries, overrides, yaml_lines
from bench.suite.ancestors import ancestor_entry
from bench.suite.entries import AncestorEntry, DataAt, DataEntry, TargetEntry
from bench.suite.paths import located
from bench.suite.problems import KeyPath, Source, collect, nearest
from bench.suite.recipes import merged
from bench.suite.schema import SuiteFile
from bench.suite.suite import Suite

Describe = Callable[[DataSettings], Description]

MAX_RUNS = 1_000_000


def load(
    path: Path,
    settings: list[str] | None = None,
    folder: Path | None = None,
    look_at: Describe = describe,
    imports: Collection[str] | None = None,
    text: str | None = None,
) -> Suite:
    """Read the suite at `path` with `--set` settings applied. Raises SuiteError or UsageError.

    folder: where its methods from outside may lie; default: beside it.
    look_at: tells what a data set consists of.
    imports: methods from outside that may be imported, where not all: others are a SuiteError.
    text: the suite itself, in place of a file; `path` then only says where relative paths start, and stands for it in
        messages.
    """
    data, lines = yaml_lines.load(path) if text is None else yaml_lines.parse(text, str(path))
    if not isinstance(data, dict):
        expected = "a mapping with keys such as name, dataset, targets, methods"
        raise SuiteError([f"{path}:1: expected {expected}, found {_kind(data)}"])
    origin = overrides.apply(data, settings or [])
    source = Source(path, lines, origin, data, folder, imports)
    file, described = collect(
        lambda: source.checked(SuiteFile, data), lambda: method_entries.described(data.get("methods"), source)
    )
    _check_slurm(file, source)
    families.check(file.families or {}, list(file.methods), source)
    prepared = located(file.prepared, source, ("prepared",)) if file.prepared else None
    data_at = _each_once(look_at, prepared, source)
    datasets, ancestors, runs = collect(
        lambda: _datasets(file, source, data_at),
        lambda: _ancestors(file, source, data_at),
        lambda: merged(Recipe(), file.train, source, ("train",)),
    )
    entry = method_entries.method_entry
    targets, methods = collect(
        lambda: _targets(file, source),
        lambda: collect(
            *(partial(entry, label, method, file, runs, source, data_at) for label, method in described.items())
        ),
    )
    n = len(datasets) * len(targets) * sum(len(method.seeds) for method in methods)
    if n > MAX_RUNS:
        product = f"{len(datasets)} data sets x {len(targets)} targets x methods x seeds"
        raise source.error((), f"{n:,} runs ({product}); expected at most {MAX_RUNS:,}")
    return Suite(file, path, data, source, datasets, ancestors, targets, methods)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return {"str": "a string", "list": "a list"}.get(type(value).__name__, f"the value {value!r}")


def _check_slurm(file: SuiteFile, source: Source) -> None:
    contradiction = file.slurm.contradiction(file.gpus_per_run) if file.slurm else None
    if contradiction:
        raise source.error(("slurm",), contradiction)


def _each_once(look_at: Describe, prepared: str | None, source: Source) -> DataAt:
    """Looks at each data set once: several ancestors may be of one, and counting it takes a while.

    prepared: the folder that `bench prepare` wrote those to that are image files.
    """
    seen: dict[str, tuple[DataSettings, Description]] = {}

    def data_at(settings: DataSettings, at: KeyPath) -> DataEntry:
        paths = {key: getattr(settings, key) for key in ("root", "class_map") if source.keys((key,), at)}
        paths = {key: located(path, source, (*at, key)) for key, path in paths.items() if path}
        settings = settings.model_copy(update=paths)
        key = settings.model_dump_json()
        try:
            if key not in seen:
                used = settings.prepared_in(prepared) if prepared and settings.stored_as_files else settings
                seen[key] = used, look_at(used)
        except (DataMissing, ValueError, OSError) as error:
            raise source.error(at, str(error)) from None
        return DataEntry(*seen[key])

    return data_at


def _datasets(file: SuiteFile, source: Source, data_at: DataAt) -> list[DataEntry]:
    places: list[KeyPath] = [source.keys(("dataset", i)) for i in range(len(file.dataset))]
    entries = collect(*(partial(data_at, item, at) for item, at in zip(file.dataset, places, strict=True)))
    names = [entry.name for entry in entries]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise source.error(places[i], f"the data set {name!r} is listed twice")
    return entries


def _ancestors(file: SuiteFile, source: Source, data_at: DataAt) -> dict[str, AncestorEntry]:
    ancestors = file.ancestor or {}

    def entry(name: str) -> AncestorEntry:
        ancestor, at = ancestors[name], source.keys(("ancestor", name))
        data = data_at(ancestor.dataset, (*at, "dataset")) if ancestor.dataset is not None else None
        return ancestor_entry(name, ancestor, data, source, at)

    entries = collect(*(partial(entry, name) for name in ancestors))
    for name, ancestor in ancestors.items():
        at = source.keys(("ancestor", name, "start"))
        if ancestor.start is not None and ancestor.start not in ancestors:
            raise source.error(at, f"no ancestor is named {ancestor.start!r}{nearest(ancestor.start, ancestors)}")
        line, before = [name], ancestor.start
        while before is not None and before not in line:
            line, before = [*line, before], ancestors[before].start
        if before is not None:
            raise source.error(at, f"ancestors begin with each other's weights: {' -> '.join([*line, before])}")
    if file.teacher is not None and file.teacher not in ancestors:
        raise source.error(("teacher",), f"no ancestor is named {file.teacher!r}{nearest(file.teacher, ancestors)}")
    return dict(zip(ancestors, entries, strict=True))


def _targets(file: SuiteFile, source: Source) -> list[TargetEntry]:
    """The sizes of all entries of `targets`."""
    ancestors = file.ancestor or {}
    for i, target in enumerate(file.targets):
        if target.ancestor is not None and target.ancestor not in ancestors:
            message = f"no ancestor is named {target.ancestor!r}{nearest(target.ancestor, ancestors)}"
            raise source.error(("targets", i, "ancestor"), message)
    entries = [[TargetEntry(size, t.ancestor, ("targets", i)) for size in t.sizes] for i, t in enumerate(file.targets)]
    return [entry for sizes in entries for entry in sizes]
