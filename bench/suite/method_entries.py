"""From `label: options` in a suite to initializers."""

import dataclasses
import inspect
import sys
import typing
from functools import cache, partial
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, create_model

import methods
from bench.identity import canonical
from bench.recipes.named import expand
from bench.recipes.recipe import Recipe
from bench.suite.entries import DataAt, MethodEntry
from bench.suite.outside import Code, code_of
from bench.suite.problems import KeyPath, Source, collect, nearest
from bench.suite.ready_learngene import learngene_file
from bench.suite.recipes import merged
from bench.suite.schema import MethodKeys, SuiteFile, Train
from bench.suite.strict import Strict
from methods import Initializer


class Described(NamedTuple):
    """A label of a suite as far as it can be read without the rest of it."""

    keys: MethodKeys
    use: str
    initializer: Initializer
    code: Code | None  # of a method from outside


class Options(Strict):
    """The options of a method, which stand among the reserved keys."""

    model_config = ConfigDict(defer_build=False)  # what is wrong with its annotations is seen when it is made

    key_is: ClassVar[str] = "option"
    beside: ClassVar[list[str]] = sorted(MethodKeys.model_fields)


def described(raw: Any, source: Source) -> dict[str, Described]:
    """The labels of the section `methods`. Those that are no mappings are left out: `SuiteFile` tells that."""
    entries = {label: value or {} for label, value in raw.items()} if isinstance(raw, dict) else {}
    entries = {label: value for label, value in entries.items() if isinstance(value, dict)}
    read = collect(*(partial(_described, label, value, source) for label, value in entries.items()))
    return dict(zip(entries, read, strict=True))


def _described(label: str, raw: dict[str, Any], source: Source) -> Described:
    at = ("methods", label)
    reserved = {key: value for key, value in raw.items() if key in MethodKeys.model_fields}
    keys = source.checked(MethodKeys, reserved, at)
    use, cls = _class(keys.use or label, source, (*at, "use") if keys.use else at)
    options = _options(cls, raw, source, at) | {"train": keys.train}
    for name in options.keys() & {"train", *cls.recipes}:
        merged(Recipe(), options[name], source, (*at, name))
        options[name] = expand(options[name].as_mapping())
    try:
        initializer = cls(**options)
    except (ValueError, TypeError) as error:
        raise source.error(at, str(error)) from None
    try:
        code = code_of(cls, use.partition(":")[0]) if ":" in use else None
    except (ValueError, TypeError) as error:
        raise source.error((*at, "use"), str(error)) from None
    return Described(keys, use, initializer, code)


def method_entry(
    label: str, method: Described, file: SuiteFile, runs: Recipe, source: Source, data_at: DataAt
) -> MethodEntry:
    """A label with what the rest of the suite says to it; `runs` is the recipe of all runs. Raises SuiteError."""
    at, keys, ancestors = ("methods", label), method.keys, file.ancestor or {}
    wanted = [keys.ancestor] if isinstance(keys.ancestor, str) else keys.ancestor
    for name in wanted or []:
        if name not in ancestors:
            raise source.error((*at, "ancestor"), f"no ancestor is named {name!r}{nearest(name, ancestors)}")
    trains = method.initializer.trains or method.initializer.trains_start
    if keys.train.as_mapping() and not trains:
        raise source.error((*at, "train"), f"{method.use} trains nothing itself; for the recipe of its runs use 'runs'")
    if keys.learngene is not None:
        for key, idle in (("condense_on", keys.condense_on), ("train", keys.train.as_mapping())):
            if idle and not (key == "train" and method.initializer.trains_start):
                raise source.error((*at, key), "nothing is condensed here: its learngene is a file; leave this out")
    elif method.initializer.ancestors and not ancestors:
        raise source.error(at, f"{label} needs an ancestor; expected a top-level key 'ancestor'")
    return MethodEntry(
        label=label,
        use=method.use,
        initializer=method.initializer,
        train=expand(keys.train.as_mapping()),
        runs=merged(runs, keys.runs, source, (*at, "runs")),
        ancestors=wanted,
        seeds=file.seeds if keys.seeds is None else keys.seeds,
        code=method.code,
        control=keys.control,
        learngene=None if keys.learngene is None else learngene_file(keys.learngene, source, (*at, "learngene")),
        condense_on=None if keys.condense_on is None else data_at(keys.condense_on, source.keys((*at, "condense_on"))),
        position=at,
    )


def _class(use: str, source: Source, at: KeyPath) -> tuple[str, type[Initializer]]:
    """The class named by `use`, after the name that says which it is; modules beside the suite file count too."""
    folder = str(source.folder.resolve())
    if ":" in use and source.imports is not None and use not in source.imports:
        how = "run the suite again, or give the --set that names it, or this file itself as the suite"
        message = f"not imported: {use} is from outside, and the suite on the command line does not name it; {how}"
        raise source.error(at, message)
    if ":" in use and folder not in sys.path:
        sys.path.append(folder)
    try:
        name = methods.canonical_name(use)
    except (KeyError, ValueError) as error:
        raise source.error(at, error.args[0]) from None
    try:
        return name, methods.method_class(name)
    except TypeError as error:
        raise source.error(at, str(error)) from None
    except (Exception, SystemExit) as error:  # whatever a module from outside does on import
        reason = f"{type(error).__name__}: {error}"
        message = f"{use} cannot be imported ({reason}); looked beside the suite, in this folder and on PYTHONPATH"
        raise source.error(at, message) from None


def _options(cls: type[Initializer], raw: dict[str, Any], source: Source, at: KeyPath) -> dict[str, Any]:
    """The options that the suite gives a class."""
    try:
        model = options_model(cls)  # type: ignore[arg-type]  # a class is hashable, whatever its instances are
    except Exception as error:  # annotations of a class from outside
        message = f"{cls.__name__}: its options cannot be read ({type(error).__name__}: {error})"
        raise source.error(at, f"{message}; expected a dataclass whose fields have plain types") from None
    names = option_names(cls)
    for name in sorted(names & MethodKeys.model_fields.keys()):
        raise source.error(at, f"{cls.__name__}: its option {name!r} has the name of a reserved key; rename it")
    options = {name: value for name, value in raw.items() if name not in MethodKeys.model_fields}
    for name in options.keys() - names:
        if "__dataclass_fields__" not in vars(cls) and name in inspect.get_annotations(cls):
            message = f"{cls.__name__} says {name!r} but is no dataclass; expected @dataclass before it"
            raise source.error((*at, name), message)
    values = source.checked(model, options, at)
    return {name: getattr(values, PREFIX + name) for name in options}


PREFIX = "option_"  # of the model's fields: an option may be called `json` or `_x`, which a field may not


@cache
def options_model(cls: type[Any]) -> type[Options]:
    """The model of a method's options, which are its dataclass fields. What has no default is missed by the class."""
    hints = typing.get_type_hints(cls)
    plain = AfterValidator(partial(_plain, cls))
    fields: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name in option_names(cls):
            field = Field(alias=f.name, default=None if f.default is dataclasses.MISSING else f.default)
            fields[PREFIX + f.name] = (Train if f.name in cls.recipes else Annotated[hints[f.name], plain]), field
    doc = (inspect.getdoc(cls) or "").split("\n")[0]
    return create_model(f"method {cls.__name__}", __base__=Options, __doc__=doc, **fields)


def option_names(cls: type[Any]) -> set[str]:
    return {f.name for f in dataclasses.fields(cls) if f.init and f.name != "train"}


def _plain(cls: type[Initializer], value: Any) -> Any:
    try:
        canonical(value)
    except TypeError:
        raise ValueError(f"{cls.__name__} reads it as {type(value).__name__}; options must be plain values") from None
    return value
