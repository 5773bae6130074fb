"""`--set key=value`: dotted keys into the suite's data."""

from typing import Any

from bench.errors import SuiteError, UsageError
from bench.suite.yaml_lines import KeyPath, parse


def apply(data: dict[str, Any], settings: list[str], flag: str = "--set") -> dict[KeyPath, str]:
    """Change `data` in place; returns the key paths set, with the text that set them, for messages."""
    origin: dict[KeyPath, str] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise UsageError(f"{flag} {setting}: expected KEY=VALUE, for example {flag} train.epochs=1")
        try:
            value, _ = parse(text, "value")
        except SuiteError as error:
            raise UsageError(f"{flag} {setting}: {error.problems[0].removeprefix('value:1: ')}") from None
        origin[_assign(data, parts, value, f"{flag} {setting}")] = f"{flag} {setting}"
    return origin


def _assign(data: Any, parts: list[str], value: Any, setting: str) -> KeyPath:
    """Set the value at a dotted key, making mappings on the way; returns the key as a path."""
    at: KeyPath = ()
    for part in parts:
        where = ".".join(map(str, at)) or "the suite"
        key: str | int = part
        if isinstance(data, list):
            if not (part.isascii() and part.isdecimal() and int(part) < len(data)):
                expected = f"an index from 0 to {len(data) - 1}" if data else "no index"
                raise UsageError(f"{setting}: {where} is a list of {len(data)}; expected {expected}, found {part!r}")
            key = int(part)
        elif not isinstance(data, dict):
            raise UsageError(f"{setting}: {where} is {data!r}; it has no key {part!r}")
        at = (*at, key)
        if len(at) == len(parts):
            data[key] = value
        else:
            if isinstance(data, dict) and data.get(key) is None:
                data[key] = {}
            data = data[key]
    return at
