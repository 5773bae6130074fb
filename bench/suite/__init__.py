"""Suite files: `load` reads, validates whole and resolves one; any problem is a SuiteError, before anything starts."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.data import DataMissing, DataSettings, Description, describe
from bench.errors import SuiteError
from bench.recipes.recipe import Recipe
from bench.suite import ancestors, overrides, yaml_lines
from bench.suite.method_entries import MethodEntry, parse, recipe
from bench.suite.problems import Source, collect, nearest, shown
from bench.suite.schema import SuiteFile, Target
from bench.suite.sizes import expand
from bench.suite.suite import AncestorEntry, DataEntry, Suite, TargetEntry

__all__ = ["AncestorEntry", "DataEntry", "MethodEntry", "Suite", "TargetEntry", "load"]

Describe = Callable[[DataSettings], Description]
Look = Callable[[DataSettings], tuple[DataSettings, Description]]  # the settings as they are used

MAX_SEEDS, MAX_RUNS = 10_000, 1_000_000
RESERVED_NAMES = ("jobs", "reference", "cache", "code")  # folders of the results directory


def load(
    path: Path, settings: list[str] | None = None, folder: Path | None = None, look_at: Describe = describe
) -> Suite:
    """Read the suite at `path` with `--set` settings applied. Raises SuiteError or UsageError.

    folder: where its methods from outside may lie; default: beside it.
    look_at: finds what a data set consists of.
    """
    data, lines = yaml_lines.load(path)
    if not isinstance(data, dict):
        expected = "a mapping with keys such as name, dataset, targets, methods"
        raise SuiteError([f"{path}:1: expected {expected}, found {_kind(data)}"])
    origin = overrides.apply(data, settings or [])
    source = Source(path, lines, origin, data, folder)
    file = _file(data, source)
    look = _once(look_at, file.prepared)
    datasets, named, runs, seeds = collect(
        lambda: _datasets(file.dataset, source, look),
        lambda: _ancestors(file, source, look),
        lambda: recipe(Recipe(), file.train, source, ("train",)),
        lambda: _seeds(file.seeds, source, ("seeds",)),
    )
    targets, methods = collect(
        lambda: _targets(file.targets, source, named),
        lambda: _methods(file.methods, source, runs, seeds, named),
    )
    n = len(datasets) * len(targets) * sum(len(method.seeds) for method in methods)
    if n > MAX_RUNS:
        counted = f"{len(datasets)} data sets x {len(targets)} targets x methods x seeds"
        raise source.error((), f"{n:,} runs ({counted}); expected at most {MAX_RUNS:,}")
    return Suite(file, path, data, source, datasets, named, targets, methods)


def _file(data: dict[str, Any], source: Source) -> SuiteFile:
    try:
        file = SuiteFile.model_validate(data)
    except ValidationError as error:
        raise source.invalid((), error, SuiteFile) from None
    if file.name in RESERVED_NAMES:
        others = ", ".join(RESERVED_NAMES)
        raise source.error(("name",), f"{file.name!r} is a folder of the results; expected another name than {others}")
    contradiction = file.slurm.contradiction(file.gpus_per_run) if file.slurm else None
    if contradiction:
        raise source.error(("slurm",), contradiction)
    return file


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return {"str": "a string", "list": "a list"}.get(type(value).__name__, f"the value {value!r}")


def _once(look_at: Describe, prepared: str | None) -> Look:
    """Looks at each data set once: several ancestors may be of one, and counting it takes a while.

    prepared: the folder that `bench prepare` wrote those to that are image files.
    """
    seen: dict[str, tuple[DataSettings, Description]] = {}

    def look(settings: DataSettings) -> tuple[DataSettings, Description]:
        key = settings.model_dump_json()
        if key not in seen:
            used = settings.prepared_in(prepared) if prepared and settings.stored_as_files else settings
            seen[key] = used, look_at(used)
        return seen[key]

    return look


def _ancestors(file: SuiteFile, source: Source, look: Look) -> dict[str, AncestorEntry]:
    named = ancestors.parse(file.ancestor, source, lambda raw, at: _dataset(raw, source, at, look))
    if file.teacher is not None and file.teacher not in named:
        raise source.error(("teacher",), f"no ancestor is named {file.teacher!r}{nearest(file.teacher, named)}")
    return named


def _datasets(raw: Any, source: Source, look: Look) -> list[DataEntry]:
    if not isinstance(raw, list):
        return [_dataset(raw, source, ("dataset",), look)]
    if not raw:
        raise source.error(("dataset",), "an empty list; expected at least one data set")
    entries = collect(*(partial(_dataset, item, source, ("dataset", i), look) for i, item in enumerate(raw)))
    names = [entry.name for entry in entries]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise source.error(("dataset", i), f"the data set {name!r} is listed twice")
    return entries


def _dataset(raw: Any, source: Source, at: tuple[str | int, ...], look: Look) -> DataEntry:
    value = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(value, dict):
        raise source.error(
            at, f"expected a name, a mapping such as {{name: digits}} or a list of these, found {shown(raw)}"
        )
    try:
        settings = DataSettings.model_validate(value)
        return DataEntry(*look(settings))
    except ValidationError as error:
        raise source.invalid(at, error, DataSettings) from None
    except (DataMissing, ValueError, OSError) as error:
        raise source.error(at, str(error)) from None


def _seeds(raw: Any, source: Source, at: tuple[str, ...]) -> list[int]:
    if _whole(raw, 1, MAX_SEEDS):
        return list(range(raw))
    if not isinstance(raw, list) or not raw or not all(_whole(seed, 0, 2**31 - 1) for seed in raw):
        expected = f"a count from 1 to {MAX_SEEDS:,}, or a list of seeds from 0 to {2**31 - 1} such as [0, 1]"
        raise source.error(at, f"expected {expected}, found {shown(raw)}")
    if len(set(raw)) < len(raw):
        raise source.error(at, f"a seed is listed twice: {shown(raw)}")
    return raw


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _targets(raw: list[Any], source: Source, named: dict[str, AncestorEntry]) -> list[TargetEntry]:
    found = collect(*(partial(_target, item, source, ("targets", i), named) for i, item in enumerate(raw)))
    return [entry for entries in found for entry in entries]


def _target(item: Any, source: Source, at: tuple[str | int, ...], named: dict[str, AncestorEntry]) -> list[TargetEntry]:
    """The sizes of one entry of `targets`."""
    if not isinstance(item, dict):
        raise source.error(at, f"expected a mapping such as {{embed_dim: 64, depth: [2, 4]}}, found {shown(item)}")
    try:
        target = Target.model_validate(item)
        sizes = expand(target)
    except ValidationError as error:
        raise source.invalid(at, error, Target) from None
    except ValueError as error:
        raise source.error(at, str(error)) from None
    if target.ancestor is not None and target.ancestor not in named:
        message = f"no ancestor is named {target.ancestor!r}{nearest(target.ancestor, named)}"
        raise source.error((*at, "ancestor"), message)
    return [TargetEntry(given, target.ancestor, at) for given in sizes]


def _methods(
    raw: dict[str, Any], source: Source, runs: Recipe, seeds: list[int], named: dict[str, AncestorEntry]
) -> list[MethodEntry]:
    return collect(*(partial(_method, label, value, source, runs, seeds, named) for label, value in raw.items()))


def _method(
    label: str, value: Any, source: Source, runs: Recipe, seeds: list[int], named: dict[str, AncestorEntry]
) -> MethodEntry:
    keys, use, initializer, source_hash, own_runs = parse(label, value, source, runs)
    at = ("methods", label)
    wanted = [keys.ancestor] if isinstance(keys.ancestor, str) else keys.ancestor
    for name in wanted or []:
        if name not in named:
            raise source.error((*at, "ancestor"), f"no ancestor is named {name!r}{nearest(name, named)}")
    if keys.train and not initializer.trains:
        raise source.error((*at, "train"), f"{use} trains nothing itself; for the recipe of its runs use 'runs'")
    if initializer.ancestors and not named:
        raise source.error(at, f"{label} needs an ancestor; expected a top-level key 'ancestor'")
    own = seeds if keys.seeds is None else _seeds(keys.seeds, source, (*at, "seeds"))
    return MethodEntry(label, use, initializer, keys.train, own_runs, wanted, own, source_hash, keys.control, at)
