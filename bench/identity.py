"""Names for work: a readable prefix and a short hash of all that the result depends on."""

import hashlib
import json
from dataclasses import fields
from functools import lru_cache
from typing import Any

from methods.vit import VitSpec

SPEC_DEFAULTS = tuple((f.name, f.default) for f in fields(VitSpec))
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """One text per value: sorted keys, no spaces, floats in shortest round-trip form."""
    return ENCODER.encode(value)


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


def spec_settings(spec: VitSpec) -> dict[str, Any]:
    """The fields of a spec that differ from their defaults."""
    return dict(_spec_settings(Same(spec)))


@lru_cache  # the runs of a plan have few sizes
def _spec_settings(same: Same) -> dict[str, Any]:
    spec = same.value
    return {name: value for name, default in SPEC_DEFAULTS if (value := getattr(spec, name)) != default}


def size_name(spec: VitSpec) -> str:
    """Depth and width: `L6-d64`."""
    return f"L{spec.depth}-d{spec.embed_dim}"
