"""From `label: options` in a suite to initializers."""

import dataclasses
import hashlib
import inspect
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

import methods
from bench.identity import canonical
from bench.recipes.named import RECIPES, expand
from bench.recipes.recipe import Recipe
from bench.suite.problems import Source, field_names, nearest, shown
from bench.suite.schema import MethodKeys
from methods import Initializer


@dataclass
class MethodEntry:
    """One label of a suite: an initializer with its options and reserved keys."""

    label: str
    use: str
    initializer: Initializer
    train: dict[str, Any]
    runs: Recipe
    ancestors: list[str] | None
    seeds: list[int]
    source_hash: str | None
    control: str = ""
    position: tuple[str, ...] = field(default_factory=tuple)

    def options(self, initializer: Initializer | None = None, *, at_start: bool = True) -> dict[str, Any]:
        """Options that differ from their defaults, `train` aside; without those that only `initialize` reads
        unless `at_start`."""
        return non_default(initializer or self.initializer, () if at_start else type(self.initializer).at_start)

    def identity(self) -> dict[str, Any]:
        """Which code this is."""
        out = {"use": self.use, "version": self.initializer.version}
        return out | ({"source": self.source_hash} if self.source_hash else {})

    @property
    def may_look_at_targets(self) -> bool:
        """Whether a class from outside may make another learngene for other targets without saying so.

        Those of the project say by `family` and `resolve` what they depend on, which a test asserts.
        """
        path = inspect.getsourcefile(type(self.initializer)) if self.source_hash else None
        return path is not None and ".targets" in Path(path).read_text()


def non_default(initializer: Initializer, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    out = {}
    for f in dataclasses.fields(initializer):
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        value = getattr(initializer, f.name)
        if f.name != "train" and f.name not in leave_out and value != default:
            out[f.name] = value
    return out


def parse(
    label: str, raw: Any, source: Source, suite_runs: Recipe
) -> tuple[MethodKeys, str, Initializer, str | None, Recipe]:
    """Check one entry. Returns its reserved keys, method name, initializer, source hash and run recipe."""
    at = ("methods", label)
    raw = {} if raw is None else raw
    if not isinstance(raw, dict):
        raise source.error(at, f"expected a mapping of options, found {shown(raw)}")
    reserved = field_names(MethodKeys)
    try:
        keys = MethodKeys.model_validate({k: v for k, v in raw.items() if k in reserved})
    except ValidationError as error:
        raise source.invalid(at, error, MethodKeys) from None
    use = keys.use or label
    cls = _class(use, source, (*at, "use") if keys.use else at)
    options = {k: v for k, v in raw.items() if k not in reserved}
    recipe(Recipe(), keys.train, source, (*at, "train"))
    keys = keys.model_copy(update={"train": expanded(keys.train, source, (*at, "train"))})
    initializer = _construct(cls, options, keys.train, source, at)
    runs = recipe(suite_runs, keys.runs, source, (*at, "runs"))
    return keys, use, initializer, _source_hash(cls) if ":" in use else None, runs


def recipe(base: Recipe, changes: Any, source: Source, at: tuple[str, ...]) -> Recipe:
    """`base` with the changes a suite gives at the key `at`."""
    if not isinstance(changes, dict):
        raise source.error(at, f"expected a mapping such as {{epochs: 5, lr: 1.0e-3}}, found {shown(changes)}")
    changes = expanded(changes, source, at)
    try:
        return base.merged(changes)
    except ValidationError as error:
        raise source.invalid(at, error, Recipe) from None


def expanded(changes: dict[str, Any], source: Source, at: tuple[str, ...]) -> dict[str, Any]:
    """The changes with the recipe that they name spelled out."""
    name = changes.get("recipe")
    if "recipe" in changes and name not in list(RECIPES):
        raise source.error((*at, "recipe"), f"unknown recipe {shown(name)}{nearest(str(name), RECIPES)}")
    return expand(changes)


def _class(use: str, source: Source, at: tuple[str, ...]) -> type[Initializer]:
    """The class named by `use`; modules beside the suite file are found too."""
    folder = str(source.folder.resolve())
    if ":" in use and folder not in sys.path:
        sys.path.append(folder)
    try:
        return methods.method_class(use)
    except (KeyError, TypeError) as error:
        raise source.error(at, error.args[0]) from None
    except (Exception, SystemExit) as error:  # whatever a module from outside does on import
        found = f"{type(error).__name__}: {error}"
        message = f"{use} cannot be imported ({found}); looked beside the suite, in this folder and on PYTHONPATH"
        raise source.error(at, message) from None


def _construct(
    cls: type[Initializer], options: dict[str, Any], train: dict[str, Any], source: Source, at: Any
) -> Initializer:
    try:
        adapters = option_types(cls)
    except Exception as error:  # annotations of a class from outside
        message = f"{cls.__name__}: its options cannot be read ({type(error).__name__}: {error})"
        raise source.error(at, f"{message}; expected a dataclass whose fields have plain types") from None
    taken = sorted(set(adapters) & set(field_names(MethodKeys)))
    if taken:
        raise source.error(at, f"{cls.__name__}: its option {taken[0]!r} has the name of a reserved key; rename it")
    checked = {}
    for name, value in options.items():
        if name not in adapters:
            if "__dataclass_fields__" not in vars(cls) and name in inspect.get_annotations(cls):
                message = f"{cls.__name__} says {name!r} but is no dataclass; expected @dataclass before it"
                raise source.error((*at, name), message)
            valid = [*adapters, *sorted(field_names(MethodKeys))]
            raise source.error((*at, name), f"unknown option {name!r}{nearest(name, valid)}")
        try:
            checked[name] = adapters[name].validate_python(value, strict=True)
            canonical(checked[name])
        except ValidationError as error:
            raise source.invalid((*at, name), error) from None
        except TypeError:
            message = f"{cls.__name__} reads it as {type(checked[name]).__name__}; options must be plain values"
            raise source.error((*at, name), message) from None
    try:
        return cls(**checked, train=train)
    except (ValueError, TypeError) as error:
        raise source.error(at, str(error)) from None


def option_types(cls: type[Initializer]) -> dict[str, TypeAdapter[Any]]:
    """What checks each option of a method, by name."""
    hints = typing.get_type_hints(cls)
    return {f.name: TypeAdapter(hints[f.name]) for f in dataclasses.fields(cls) if f.init and f.name != "train"}


def _source_hash(cls: type) -> str:
    """Hash of the file that defines a class from outside the project."""
    path = inspect.getsourcefile(cls)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else "unknown"
