"""Plain YAML by the safe loader, with the line of every key kept.

Plain: mappings with names as keys, lists, strings, numbers, true, false and null. `1e-3` is a number; `yes`, `on`,
`2024-01-01`, `1:30`, `010` and `.nan`, which YAML 1.1 reads as something else, are strings.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from bench.errors import SuiteError

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 100_000  # after anchors are filled in: a few lines of them can stand for billions

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9]\d{0,17})", list("-+0123456789")),
    "float": (
        r"[-+]?(\d+(\.\d*([eE][-+]?\d+)?|[eE][-+]?\d+)|\.\d+([eE][-+]?\d+)?)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars above; tags of any kind are an error."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace(_TAG, "!!")
            problem = f"found the tag {tag}; a suite is plain YAML: mappings, lists, strings and numbers, without tags"
            raise ConstructorError(None, None, problem, event.start_mark)
        if self.depth > MAX_DEPTH:
            raise ConstructorError(None, None, "nested too deeply", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})$"), _first)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that puts quotes around whatever string `_Loader` would take for something else."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: Any) -> str:
    """Plain data as YAML that `parse` reads as the same data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def load(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """The file's data and the line of each key path. Raises SuiteError for anything that is not plain YAML."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SuiteError([f"{path}: no such suite file"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SuiteError([f"{path}: cannot be read: {reason}; expected a suite file (YAML)"]) from None
    if len(content) > MAX_BYTES:
        raise SuiteError([f"{path}: larger than {MAX_BYTES:,} bytes; expected a suite file (YAML)"])
    try:
        return parse(content.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"byte 0x{content[error.start]:02x}"
        raise SuiteError([f"{path}:{line}: not a text file in UTF-8: found {byte}; expected a suite (YAML)"]) from None


def parse(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    """The data of a YAML text and the line of each key path; `name` stands for it in messages. Raises SuiteError."""
    lines: dict[KeyPath, int] = {}
    problems: list[str] = []
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _walk(node, (), lines, problems, name)
            if problems:
                raise SuiteError(problems)
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise SuiteError([_marked(name, error)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError([f"{name}:{line}: not a text file: found the character {error.character:#x}"]) from None
    return json.loads(json.dumps(data, allow_nan=False)), lines  # what anchors shared is shared no more


def _marked(name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"{name}:{mark.line + 1 if mark else 1}: not valid YAML: {error.problem or error.context}"


def _walk(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], problems: list[str], name: str) -> None:
    """Note the line of every key below `at`; find keys that are no names or are there twice."""
    line = node.start_mark.line + 1
    if len(at) > MAX_DEPTH or len(lines) > MAX_VALUES:
        what = f"more than {MAX_VALUES:,} values" if len(lines) > MAX_VALUES else "nested too deeply"
        raise SuiteError([f"{name}:{line}: {what} (anchors filled in); expected a suite"])
    lines.setdefault(at, line)
    if isinstance(node, yaml.ScalarNode):
        trouble = _scalar_trouble(node)
        if trouble:
            problems.append(f"{name}:{line}: {'.'.join(map(str, at))}: {trouble}")
    elif isinstance(node, yaml.MappingNode):
        _walk_keys(node, at, lines, problems, name)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*at, i), lines, problems, name)


def _walk_keys(node: yaml.MappingNode, at: KeyPath, lines: dict[KeyPath, int], problems: list[str], name: str) -> None:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        where = f"{name}:{line}: {'.'.join(map(str, (*at, key.value)))}"
        if key.tag not in (_TAG + "str", _TAG + "merge") or _scalar_trouble(key):
            shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
            problems.append(f"{name}:{line}: expected a name as key, found {shown}; put quotes around a name like that")
            continue
        if key.value in seen:
            problems.append(f"{where}: duplicate key {key.value!r}, first in line {seen[key.value]}")
            continue
        seen[key.value] = line
        lines[(*at, key.value)] = line
        _walk(value, (*at, key.value), lines, problems, name)


def _scalar_trouble(node: yaml.ScalarNode) -> str | None:
    """What is wrong with a single value, or None."""
    if node.tag == _TAG + "float" and math.isinf(float(node.value)):
        return f"the number {node.value} is too large"
    try:
        node.value.encode()
    except UnicodeEncodeError:
        return f"{node.value!r} is no text"
    return None
