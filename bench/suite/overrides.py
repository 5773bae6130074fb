"""`--set key=value`: dotted keys into the suite's data."""

from typing import Any

import yaml

from bench.errors import UsageError
from bench.suite.yaml_lines import KeyPath, parse_value


def apply(data: dict[str, Any], settings: list[str]) -> dict[KeyPath, str]:
    """Change `data` in place; returns the key paths set, with the text that set them, for messages."""
    origin: dict[KeyPath, str] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting}: expected KEY=VALUE, for example --set train.epochs=1")
        try:
            value = parse_value(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--set {setting}: the value is not valid YAML: {str(error).splitlines()[0]}") from None
        path = tuple(int(p) if p.isdigit() else p for p in key.strip().split("."))
        _assign(data, path, value, setting)
        origin[path] = f"--set {setting}"
    return origin


def _assign(data: Any, path: KeyPath, value: Any, setting: str) -> None:
    for i, part in enumerate(path):
        last = i == len(path) - 1
        where = ".".join(map(str, path[:i])) or "the suite"
        if isinstance(data, list):
            if not isinstance(part, int) or part >= len(data):
                raise UsageError(f"--set {setting}: {where} is a list of {len(data)}; expected an index below that")
        elif isinstance(data, dict):
            part = str(part)
            if not last and data.get(part) is None:
                data[part] = {}
        else:
            raise UsageError(f"--set {setting}: {where} is {data!r}; it has no key {part!r}")
        if last:
            data[part] = value
        else:
            data = data[part]
