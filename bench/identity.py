"""Names for work: a readable prefix and a short hash of all that the result depends on."""

import hashlib
import json
from dataclasses import fields
from typing import Any

from methods.vit import VitSpec


def canonical(value: Any) -> str:
    """One text per value: sorted keys, no spaces, floats in shortest round-trip form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 12) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]


def spec_settings(spec: VitSpec) -> dict[str, Any]:
    """The fields of a spec that differ from their defaults."""
    return {f.name: getattr(spec, f.name) for f in fields(spec) if getattr(spec, f.name) != f.default}


def size_name(spec: VitSpec) -> str:
    """Depth and width: `L6-d64`."""
    return f"L{spec.depth}-d{spec.embed_dim}"
