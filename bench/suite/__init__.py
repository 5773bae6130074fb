"""Suite files: `load` reads, validates whole and resolves one; any problem is a SuiteError, before anything starts."""

import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.data import DataMissing, DataSettings, describe
from bench.errors import SuiteError
from bench.recipe import Recipe
from bench.suite import ancestors, overrides, yaml_lines
from bench.suite.method_entries import MethodEntry, parse, recipe
from bench.suite.problems import Source, field_names, nearest
from bench.suite.schema import SuiteFile, Target
from bench.suite.sizes import expand
from bench.suite.suite import AncestorEntry, DataEntry, Suite, TargetEntry

__all__ = ["AncestorEntry", "DataEntry", "MethodEntry", "Suite", "TargetEntry", "load"]

RESERVED_NAMES = ("jobs", "reference", "cache")  # folders of the results directory


def load(path: Path, settings: list[str] | None = None) -> Suite:
    """Read the suite at `path` with `--set` settings applied. Raises SuiteError or UsageError."""
    data, lines = yaml_lines.load(path)
    beside = str(path.resolve().parent)
    if beside not in sys.path:  # methods from outside may lie beside the suite
        sys.path.append(beside)
    if not isinstance(data, dict):
        raise SuiteError(
            [f"{path}:1: expected a mapping with keys such as name, dataset, targets, methods, found {_kind(data)}"]
        )
    origin = overrides.apply(data, settings or [])
    source = Source(path, lines, origin)
    try:
        file = SuiteFile.model_validate(data)
    except ValidationError as error:
        raise source.invalid((), error, field_names(SuiteFile)) from None
    if file.name in RESERVED_NAMES:
        raise source.error(
            ("name",), f"{file.name!r} is reserved; expected another name than {', '.join(RESERVED_NAMES)}"
        )
    datasets = _datasets(file.dataset, source)
    named = ancestors.parse(file.ancestor, source, lambda raw, at: _dataset(raw, source, at))
    if file.teacher is not None and file.teacher not in named:
        raise source.error(("teacher",), f"no ancestor is named {file.teacher!r}{nearest(file.teacher, named)}")
    runs = recipe(Recipe(), file.train, source, ("train",))
    seeds = _seeds(file.seeds, source, ("seeds",))
    return Suite(
        file=file,
        path=path,
        resolved=data,
        source=source,
        data=datasets,
        ancestors=named,
        targets=_targets(file.targets, source, named),
        methods=_methods(file.methods, source, runs, seeds, named),
    )


def _kind(value: Any) -> str:
    return "an empty file" if value is None else f"a {type(value).__name__}"


def _datasets(raw: Any, source: Source) -> list[DataEntry]:
    if not isinstance(raw, list):
        return [_dataset(raw, source, ("dataset",))]
    if not raw:
        raise source.error(("dataset",), "an empty list; expected at least one data set")
    entries = [_dataset(item, source, ("dataset", i)) for i, item in enumerate(raw)]
    names = [entry.name for entry in entries]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise source.error(("dataset", i), f"the data set {name!r} is listed twice")
    return entries


def _dataset(raw: Any, source: Source, at: tuple[str | int, ...]) -> DataEntry:
    value = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(value, dict):
        raise source.error(at, f"expected a name, a mapping such as {{name: digits}} or a list of these, found {raw!r}")
    try:
        settings = DataSettings.model_validate(value)
        return DataEntry(settings, describe(settings))
    except ValidationError as error:
        raise source.invalid(at, error, field_names(DataSettings)) from None
    except (DataMissing, ValueError) as error:
        raise source.error(at, str(error)) from None


def _seeds(raw: Any, source: Source, at: tuple[str, ...]) -> list[int]:
    seeds = list(range(raw)) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    whole = isinstance(seeds, list) and all(isinstance(s, int) and not isinstance(s, bool) and s >= 0 for s in seeds)
    if not whole or not seeds:
        raise source.error(at, f"expected a count of at least 1 or a list of seeds such as [0, 1], found {raw!r}")
    if len(set(seeds)) < len(seeds):
        raise source.error(at, f"a seed is listed twice: {raw!r}")
    return seeds


def _targets(raw: list[Any], source: Source, named: dict[str, AncestorEntry]) -> list[TargetEntry]:
    entries = []
    for i, item in enumerate(raw):
        at = ("targets", i)
        if not isinstance(item, dict):
            raise source.error(at, f"expected a mapping such as {{embed_dim: 64, depth: [2, 4]}}, found {item!r}")
        try:
            target = Target.model_validate(item)
        except ValidationError as error:
            raise source.invalid(at, error, field_names(Target)) from None
        if target.ancestor is not None and target.ancestor not in named:
            raise source.error(
                (*at, "ancestor"), f"no ancestor is named {target.ancestor!r}{nearest(target.ancestor, named)}"
            )
        entries += [TargetEntry(given, target.ancestor, at) for given in expand(target)]
    return entries


def _methods(
    raw: dict[str, Any], source: Source, runs: Recipe, seeds: list[int], named: dict[str, AncestorEntry]
) -> list[MethodEntry]:
    entries = []
    for label, value in raw.items():
        keys, use, initializer, source_hash, own_runs = parse(label, value, source, runs)
        at = ("methods", label)
        wanted = [keys.ancestor] if isinstance(keys.ancestor, str) else keys.ancestor
        for name in wanted or []:
            if name not in named:
                raise source.error((*at, "ancestor"), f"no ancestor is named {name!r}{nearest(name, named)}")
        if initializer.ancestors and not named:
            raise source.error(at, f"{label} needs an ancestor; expected a top-level key 'ancestor'")
        own = seeds if keys.seeds is None else _seeds(keys.seeds, source, (*at, "seeds"))
        entries.append(MethodEntry(label, use, initializer, keys.train, own_runs, wanted, own, source_hash, at))
    return entries
