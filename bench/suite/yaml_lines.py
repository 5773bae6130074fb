"""YAML by the safe loader, with the line of every key kept."""

import re
from pathlib import Path
from typing import Any

import yaml

from bench.errors import SuiteError

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number and leaves on/off/yes/no to be strings."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, regex) for tag, regex in resolvers if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)|\d[\d_]*\.\d*|\.\d+([eE][-+]?\d+)?|\.(inf|Inf|INF))$|^\.(nan|NaN)$"
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_value(text: str) -> Any:
    """One YAML value, as on the command line. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader


def load(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """The file's data and the line of each key path. Raises SuiteError for anything that is not plain YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SuiteError([f"{path}: no such suite file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError([f"{path}: cannot be read: {error}"]) from None
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        problems: list[str] = []
        if node is not None:
            _walk(node, (), lines, problems, path)
        if problems:
            raise SuiteError(problems)
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        raise SuiteError([_yaml_problem(path, error)]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SuiteError([f"{path}: not valid YAML: {str(error).splitlines()[0]}"]) from None
    finally:
        loader.dispose()
    return data, lines


def _yaml_problem(path: Path, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    problem = error.problem or "not valid YAML"
    if "could not determine a constructor" in problem:
        problem += "; a suite is plain YAML: mappings, lists, strings and numbers, without tags"
    return f"{path}:{line}: {problem}"


def _walk(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], problems: list[str], path: Path) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if len(at) > 32:
        raise ValueError("nested too deeply")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                problems.append(
                    f"{path}:{line}: {'.'.join(map(str, (*at, name)))}: duplicate key, first in line {seen[name]}"
                )
            seen[name] = line
            lines[(*at, name)] = line
            _walk(value, (*at, name), lines, problems, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*at, i), lines, problems, path)
