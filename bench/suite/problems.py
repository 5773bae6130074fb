"""From what is wrong to a message that names file, line and key."""

import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.errors import SuiteError
from bench.suite.yaml_lines import KeyPath
from bench.words import did_you_mean

# pydantic's words for types, in those of a YAML file
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "too_short": "at least {entries}",
    "none_required": "nothing",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "string_pattern_mismatch": "a name that matches {pattern}",
    "string_too_long": "at most {max_length} characters",
}


Model = typing.TypeVar("Model", bound=BaseModel)


class Source:
    """Where the values of a suite come from: lines of its file, or `--set` options.

    data:    the values, `--set` applied.
    folder:  where modules with methods from outside may lie.
    imports: which of these methods (`module:Class`) may be imported; None: all.
    """

    def __init__(
        self,
        path: Path,
        lines: dict[KeyPath, int],
        origin: dict[KeyPath, str],
        data: Any,
        folder: Path | None = None,
        imports: Collection[str] | None = None,
    ) -> None:
        self.path, self.lines, self.origin, self.data = path, lines, origin, data
        self.folder, self.imports = folder or path.parent, imports

    def __contains__(self, at: KeyPath) -> bool:
        """Whether the suite says something at a key."""
        return at in self.lines or at in self.origin

    def is_set(self, at: KeyPath) -> bool:
        """Whether a `--set` says what is at a key."""
        return any(at[:end] in self.origin for end in range(1, len(at) + 1))

    def put(self, at: KeyPath, value: Any) -> None:
        """Replace what the suite says at a key."""
        parent = self.data
        for key in at[:-1]:
            parent = parent[key]
        parent[at[-1]] = value

    def place(self, at: KeyPath) -> str:
        """`file:line`, or the `--set` option, of the nearest known key at or above `at`; both where a `--set` changed
        something below it."""
        below = [text for key, text in self.origin.items() if at and key[: len(at)] == at]
        for end in range(len(at), -1, -1):
            if at[:end] in self.origin:
                return self.origin[at[:end]]
            if at[:end] in self.lines:
                line = f"{self.path}:{self.lines[at[:end]]}"
                return ", ".join([line, *below]) if end == len(at) else (below or [line])[-1]
        return str(self.path)

    def problem(self, at: KeyPath, message: str) -> str:
        key = ".".join(map(str, at))
        return f"{self.place(at)}: {key}: {message}" if key else f"{self.place(at)}: {message}"

    def error(self, at: KeyPath, message: str) -> SuiteError:
        return SuiteError([self.problem(at, message)])

    def invalid(self, at: KeyPath, error: ValidationError, model: type[BaseModel] | None = None) -> SuiteError:
        """All problems of a pydantic error below the key `at`, which should have been a `model`."""
        errors: dict[KeyPath, list[Any]] = {}
        for e in error.errors(include_url=False):
            errors.setdefault(self.keys(e["loc"], at, absent=e["type"] in _KEY_ERRORS), []).append(e)
        deepest = [keys for keys in errors if not any(k[: len(keys)] == keys and k != keys for k in errors)]
        return SuiteError([self.problem((*at, *keys), _describe(errors[keys], keys, model)) for keys in deepest])

    def checked(self, model: type[Model], value: Any, at: KeyPath = ()) -> Model:
        """The value at the key `at` as a `model`. Raises SuiteError with all that is wrong."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise self.invalid(at, error, model) from None

    def keys(self, places: KeyPath, at: KeyPath = (), *, absent: bool = False) -> KeyPath:
        """Those of pydantic's places below the key `at` that are keys of the suite: no branch of a union, no index or
        name of what stands alone.

        absent: the last one is a key although the suite has it not, or should not have it.
        """
        value, keys = self.data, []
        for key in at:
            value = _child(value, key)
        for i, key in enumerate(places, 1):
            child = _child(value, key)
            if child is not _NOTHING or (absent and i == len(places) and isinstance(key, str)):
                keys.append(key)
                value = child
        return tuple(keys)


_NOTHING = object()
_KEY_ERRORS = ("missing", "missing_argument", "extra_forbidden", "unexpected_keyword_argument")


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part, _NOTHING)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _NOTHING


def collect(*parts: Callable[[], Any]) -> list[Any]:
    """The results of all parts. Raises one SuiteError with the problems of all that have any."""
    results, problems = [], []
    for part in parts:
        try:
            results.append(part())
        except SuiteError as error:
            problems += error.problems
    if problems:
        raise SuiteError(problems)
    return results


def nearest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean ...?` and the list of what is valid."""
    valid = list(valid)
    hint = did_you_mean(str(name), valid)
    return f"{hint} (valid: {', '.join(valid)})" if valid else hint


def field_names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_at(model: type[BaseModel], keys: KeyPath) -> type[BaseModel] | None:
    """The model that describes what is at `keys` of a `model`, where one does."""
    inside: type[BaseModel] | None = model
    for key in keys:
        fields = {info.alias or name: info for name, info in inside.model_fields.items()} if inside else {}
        if key in fields:  # else a name or an index in it
            inside = next(_models(fields[str(key)].annotation), None)
    return inside


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def shown(value: Any) -> str:
    """A value as messages show it."""
    text = {True: "true", False: "false"}.get(value, repr(value)) if isinstance(value, bool) else repr(value)
    return "nothing" if value is None else text if len(text) <= 80 else f"{text[:76]} ..."


def _describe(errors: list[Any], loc: KeyPath, model: type[BaseModel] | None) -> str:
    """What is wrong at one key; several errors are the branches of a union."""
    error = errors[0]
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        inside = _model_at(model, loc[:-1]) if model else None
        what, beside = getattr(inside, "key_is", "key"), getattr(inside, "beside", [])
        valid = [*field_names(inside), *beside] if inside else []
        return f"unknown {what} {loc[-1]!r}{nearest(str(loc[-1]), valid)}"
    if error["type"] in ("missing", "missing_argument"):
        few = isinstance(error["loc"][-1], int)  # a list of fixed length
        return f"too few entries, found {shown(error['input'])}" if few else "missing; this key is required"
    if error["type"] in ("value_error", "assertion_error"):
        return error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    valid = re.findall(r"'([^']*)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else []
    if valid:
        return f"unknown value {shown(error['input'])}{nearest(str(error['input']), valid)}"
    expected = [_expected(e) for e in errors]
    return f"expected {' or '.join(dict.fromkeys(expected))}, found {shown(error.get('input'))}"


def _expected(error: Any) -> str:
    words, context = EXPECTED.get(error["type"]), dict(error.get("ctx", {}))
    if least := context.get("min_length"):
        context["entries"] = "one entry" if least == 1 else f"{least} entries"
    return words.format(**context) if words else error["msg"].removeprefix("Input should be ")
