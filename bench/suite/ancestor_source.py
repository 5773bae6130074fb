"""Where an ancestor's weights come from, as part of its identity."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.files import sha256
from bench.suite.entries import AncestorEntry
from methods.vit import VitSpec

META_KEY = "ancestor"  # of our own weight files; its value is JSON: `spec` and `classes`


def source_settings(entry: AncestorEntry) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what goes into the identity, what a worker needs besides) of a timm model or checkpoint file."""
    settings: dict[str, Any] = {}
    local: dict[str, Any] = {}
    if "timm" in entry.model:
        settings |= {"timm": entry.model["timm"], "pretrained": entry.model["pretrained"]}
    if "checkpoint" in entry.model:
        path = Path(entry.model["checkpoint"]).resolve()
        settings["checkpoint"] = content_hash(path, path.stat().st_mtime_ns)
        local["weights"] = str(path)
    if entry.convert:
        settings["convert"] = entry.convert
    if entry.classes == "same":
        settings["same_classes"] = True
    return settings, local


@lru_cache
def content_hash(path: Path, mtime: int) -> str:
    """Return the SHA-256 of a file, computed once per version of it."""
    return sha256(path)


def own_facts(path: str | Path) -> dict[str, Any] | None:
    """What a weight file of this project says of itself; None for any other file. Torch is not needed."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            facts = (file.metadata() or {}).get(META_KEY)
    except (SafetensorError, OSError):
        return None
    try:
        described = json.loads(facts or "null")
        VitSpec(**described["spec"])
        return described if isinstance(described["classes"], str | None) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def own_size(path: str | Path) -> VitSpec | None:
    """The size of the model in a weight file of this project; None for any other file."""
    facts = own_facts(path)
    return VitSpec(**facts["spec"]) if facts else None
