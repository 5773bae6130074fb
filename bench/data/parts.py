"""Which of the parts that a source has are train, val and test."""

from __future__ import annotations

from collections.abc import Collection

from bench.data.settings import DataMissing, DataSettings
from bench.words import few

USUAL = {"train": ("train", "training"), "val": ("val", "validation", "valid"), "test": ("test",)}


def choose_parts(settings: DataSettings, present: Collection[str], expected: str) -> dict[str, str]:
    """part -> its name at the source: that of `splits`, else the usual one. Without a test part, val is the test part.

    Raises DataMissing saying what was `expected` and what was found.
    """
    if settings.splits:
        names: dict[str, str | None] = {str(part): name for part, name in settings.splits.items()}
    else:
        names = {part: next((n for n in usual if n in present), None) for part, usual in USUAL.items()}
        if not names["test"]:
            names = {"train": names["train"], "test": names["val"]}
    needed = ("train",) if settings.split else ("train", "test")
    missing = [part for part in needed if not names.get(part)]
    missing += [name for name in names.values() if name and name not in present]
    if missing:
        raise DataMissing(
            f"{settings.name}: no {' and no '.join(missing)} part in {settings.path} (there: "
            f"{few(sorted(present), 8) or 'nothing'}); {expected}. Other names: splits: {{train: NAME, test: NAME}}"
        )
    return {part: name for part, name in names.items() if name}
