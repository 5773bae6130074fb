"""What `bench run` found of a suite's data sets, kept beside its results.

So nothing but `plan`, `run` and `doctor` has to read images, and workers can tell that they are still the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data import DataSettings, Description, describe
from bench.data.manifest import manifest_name, settings_key
from bench.files import read_json, write_bytes, write_json
from bench.store import Store
from bench.suite import DataEntry, Suite

FILE = "data.json"
DESCRIBED = {
    "name": str,
    "classes": [str],
    "counts": {"train": int, "val": int, "test": int},
    "img_size": int,
    "in_chans": int,
    "fingerprint": {"counts": {"train": int, "*": int}, "*": object},
}


def entries(suite: Suite) -> list[DataEntry]:
    """All data sets of a suite: of its runs, ancestors and learngenes."""
    return suite.all_data


def write(suite: Suite, store: Store) -> None:
    """Keep what the data sets were found to be, and size and time of each of their files."""
    sets: dict[str, Any] = {}
    for entry in entries(suite):
        description = entry.description
        sets[settings_key(entry.settings)] = {
            "name": description.name,
            "classes": list(description.classes),
            "counts": dict(description.counts),
            "img_size": description.img_size,
            "in_chans": description.in_chans,
            "fingerprint": dict(description.fingerprint),
        }
        if description.manifest:
            write_bytes(store.root / manifest_name(suite.name, entry.settings), description.manifest)
    write_json(store.suite(suite.name) / FILE, {"data": sets})


def recorded(folder: Path) -> Callable[[DataSettings], Description]:
    """Returns what describes data sets as the last run found them; what it did not see, by classes and counts."""
    try:
        sets = (read_json(folder / FILE, {"data": {"*": DESCRIBED}}) or {}).get("data", {})
    except (ValueError, OSError):
        sets = {}

    def look(settings: DataSettings) -> Description:
        known = sets.get(settings_key(settings))
        if known is None:
            return describe(settings, hashed=False)
        fields = {name: known[name] for name in DESCRIBED}
        return Description(**fields | {"classes": tuple(known["classes"])})

    return look
