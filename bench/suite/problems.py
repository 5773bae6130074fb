"""From what is wrong to a message that names file, line and key."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.errors import SuiteError
from bench.suite.yaml_lines import KeyPath


class Source:
    """Where the values of a suite come from: lines of its file, or `--set` options."""

    def __init__(self, path: Path, lines: dict[KeyPath, int], origin: dict[KeyPath, str] | None = None) -> None:
        self.path, self.lines, self.origin = path, lines, origin or {}

    def place(self, at: KeyPath) -> str:
        """`file:line`, or the `--set` option, of the nearest known key at or above `at`."""
        for end in range(len(at), -1, -1):
            if at[:end] in self.origin:
                return self.origin[at[:end]]
            if at[:end] in self.lines:
                return f"{self.path}:{self.lines[at[:end]]}"
        return str(self.path)

    def problem(self, at: KeyPath, message: str) -> str:
        key = ".".join(map(str, at))
        return f"{self.place(at)}: {key}: {message}" if key else f"{self.place(at)}: {message}"

    def error(self, at: KeyPath, message: str) -> SuiteError:
        return SuiteError([self.problem(at, message)])

    def invalid(self, at: KeyPath, error: ValidationError, valid: Iterable[str] = ()) -> SuiteError:
        """All problems of a pydantic error below the key `at`."""
        found = {}
        for e in error.errors(include_url=False):
            loc = tuple(part for part in e["loc"] if not _is_branch(part))
            found.setdefault(loc, self.problem((*at, *loc), _describe(e, loc, list(valid))))
        return SuiteError(list(found.values()))


def nearest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean ...?` and the list of what is valid."""
    valid = list(valid)
    near = difflib.get_close_matches(str(name), valid, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (valid: {', '.join(valid)})" if valid else hint


def field_names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _is_branch(part: Any) -> bool:
    """Whether pydantic put a union's branch, and not a key, into a location."""
    return isinstance(part, str) and (part in ("int", "float", "str", "bool", "none") or "[" in part or "-" in part)


def _describe(error: Any, loc: KeyPath, valid: list[str]) -> str:
    kind, value = error["type"], error.get("input")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown key {loc[-1]!r}{nearest(str(loc[-1]), valid)}"
    if kind in ("missing", "missing_argument"):
        return "missing; this key is required"
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = text if kind in ("value_error", "assertion_error") else f"expected {text}"
    shown = repr(value)
    return f"{expected}, found {shown if len(shown) < 80 else type(value).__name__}"
