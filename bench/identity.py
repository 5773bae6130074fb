"""Names for work: a readable prefix and a short hash of all that the result depends on."""

import hashlib
import json
from functools import cached_property
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NoReturn

ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Fixed(dict[str, Any]):
    """A part of the identities of many jobs, which share it: its keys stay as they are, and its text is made once."""

    @cached_property
    def text(self) -> str:
        return ENCODER.encode(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("jobs share this part of their settings: expected a change of dict(it), which is a copy")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse  # type: ignore[assignment]


def canonical(value: Any) -> str:
    """One text per value: sorted keys, no spaces, floats in shortest round-trip form."""
    if type(value) is Fixed:
        return value.text
    if type(value) is dict and Fixed in map(type, value.values()):
        return "{" + ",".join([f"{quoted(key)}:{_text(value[key])}" for key in sorted(value)]) + "}"
    return ENCODER.encode(value)


def _text(part: Any) -> str:
    kind = type(part)  # the encoder is slow to begin, and most parts of a job's settings need none
    if kind is Fixed:
        return part.text
    return quoted(part) if kind is str else str(part) if kind is int else ENCODER.encode(part)


class Same:
    """A key of caches, equal for one and the same object alone: of equal ones 2 and 2.0 are different texts."""

    def __init__(self, value: Any) -> None:
        self.value = value  # alive as long as the key, so that no other object gets its id

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value


def digest(value: Any, length: int = 12) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
