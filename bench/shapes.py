"""Shapes of JSON values: what a file of ours must hold, said as types, lists and mappings."""

from typing import Any


def mismatch(value: Any, shape: Any, name: str = "it") -> str:
    """Say what in a JSON value is not of a shape; nothing where all is.

    shape: a type (float: any number); a tuple of shapes, one of which will do; [shape]: a list of such; a mapping from
        names to shapes, `name?` of what may be missing, `*` of all other values.
    """
    if shape is object:
        return ""
    if isinstance(shape, tuple):
        return "" if any(not mismatch(value, one, name) for one in shape) else f"{name} is {_short(value)}"
    if isinstance(shape, list):
        parts = [(f"{name}[{i}]", item, shape[0]) for i, item in enumerate(value)] if isinstance(value, list) else None
    elif isinstance(shape, dict):
        parts = _fields(value, shape, name) if isinstance(value, dict) else None
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        right = number if shape is float else type(value) is shape
        return "" if right else f"{name} is {_short(value)}, expected {getattr(shape, '__name__', shape)}"
    if parts is None:
        return f"{name} is {_short(value)}, expected {'a list' if isinstance(shape, list) else 'a mapping'}"
    return next((trouble for name, item, one in parts if (trouble := mismatch(item, one, name))), "")


def _fields(value: dict[str, Any], shape: dict[str, Any], name: str) -> list[tuple[str, Any, Any]]:
    within = "" if name == "it" else f"{name}."
    named = {key.removesuffix("?"): (key, one) for key, one in shape.items() if key != "*"}
    parts = [
        (f"{within}{key}", value.get(key, "missing"), one)
        for key, (written, one) in named.items()
        if key in value or not written.endswith("?")
    ]
    others = [(f"{within}{key}", item, shape["*"]) for key, item in value.items() if key not in named and "*" in shape]
    return parts + others


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
