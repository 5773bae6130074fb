"""Where an ancestor's weights come from, as part of its identity."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.suite.suite import AncestorEntry


def source_settings(entry: AncestorEntry) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what goes into the identity, what a worker needs besides) of a timm model or checkpoint file."""
    settings, local = {}, {}
    if "timm" in entry.model:
        settings |= {"timm": entry.model["timm"], "pretrained": entry.model["pretrained"]}
    if "checkpoint" in entry.model:
        path = Path(entry.model["checkpoint"]).resolve()
        settings["checkpoint"] = content_hash(path, path.stat().st_mtime_ns)
        local["checkpoint"] = str(path)
    return settings, local


@lru_cache
def content_hash(path: Path, mtime: int) -> str:
    """sha256 of a file, computed once per version of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
