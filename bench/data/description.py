"""What a data set consists of, found without torch and without decoding an image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from bench.data.known import DEFAULTS, HOW_TO_GET
from bench.data.settings import DataError, DataMissing, DataSettings
from bench.data.stratify import shares

# source -> module with `survey(settings) -> Survey` and `open_part(settings, survey, part) -> Images`
SOURCES = {
    "builtin": "bench.data.sources.builtin",
    "folder": "bench.data.sources.folder",
    "torch": "bench.data.sources.torch",
    "hfds": "bench.data.sources.hfds",
    "wds": "bench.data.sources.wds",
}
PREPARED = "bench.data.sources.prepared"  # whatever the source was


@dataclass(frozen=True)
class Survey:
    """What a source has: the ordered classes, images per part, and per class of the training part.

    found: whatever the source wants to see again in `open_part`, so that it need not look twice.
    form:  what was done to the images since, where something was: part of what results depend on.
    content: hash of the images and labels, of what is built in.
    """

    classes: Sequence[str]
    sizes: Mapping[str, int]
    train: Sequence[int]
    found: Any = None
    form: Mapping[str, Any] | None = None
    content: str | None = None


@dataclass(frozen=True)
class Description:
    """What a plan needs to know of a data set.

    counts:      images in train, val and test, as used.
    fingerprint: what results depend on; JSON-able. No paths, no worker counts.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    img_size: int
    in_chans: int
    fingerprint: Mapping[str, Any]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def class_id(self) -> str:
        """Identity of the ordered class list; a head transfers only between equal ones."""
        return short_hash(self.classes)


def short_hash(values: Sequence[str | int]) -> str:
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()[:12]


def source_module(settings: DataSettings) -> ModuleType:
    return import_module(PREPARED if settings.is_prepared else SOURCES[settings.source])


def describe(settings: DataSettings) -> Description:
    """Look at the data set: downloads nothing, decodes nothing.

    Raises DataMissing where the data is not there, DataError (both ValueError) where it contradicts the settings.
    """
    try:
        return describe_survey(settings, source_module(settings).survey(settings))
    except DataMissing as error:
        how = how_to_get(settings)
        raise DataMissing(f"{error}. {how}" if how else str(error)) from None


def how_to_get(settings: DataSettings) -> str:
    """What to do about a data set that is not there; nothing for one that is the user's own."""
    if settings.source != DEFAULTS.get(settings.known, {}).get("source"):
        return ""
    if settings.source == "torch":
        return f"torchvision can fetch it: {{name: {settings.name}, download: true}}"
    return HOW_TO_GET.get(settings.known, "")


def describe_survey(settings: DataSettings, survey: Survey) -> Description:
    """The description of what a source was found to have."""
    if settings.num_classes not in (None, len(survey.classes)):
        where = f"; looked in {settings.path}" if settings.root else ""
        found = f"{settings.name} has {len(survey.classes)} classes, not num_classes: {settings.num_classes}"
        raise DataError(found + where)
    counts = {part: survey.sizes[part] for part in ("train", "val", "test") if part in survey.sizes}
    cut = "val" not in counts
    if cut:
        single = [c for c, n in zip(survey.classes, survey.train, strict=True) if n < 2]
        if single:
            raise DataError(
                f"{settings.name} has no validation part, and none can be cut from train: it has fewer than two images "
                f"of {some(single)}"
            )
        validation = sum(shares(survey.train, settings.val_fraction))
        counts = {"train": counts["train"] - validation, "val": validation, "test": counts["test"]}
    fingerprint = {
        "name": settings.name,
        "classes": short_hash(survey.classes),
        "counts": counts,
        "img_size": settings.img_size,
        "in_chans": settings.in_chans,
        "mean": list(settings.mean),
        "std": list(settings.std),
        "interpolation": settings.interpolation,
        "crop_pct": settings.crop_pct,
        "per_class": short_hash(survey.train),
    }
    if survey.form is not None:
        fingerprint["prepared"] = dict(survey.form)
    if survey.content is not None:
        fingerprint["content"] = survey.content
    if settings.in_memory:
        fingerprint["in_memory"] = True
    if cut:
        fingerprint["val_fraction"] = settings.val_fraction
    return Description(settings.name, tuple(survey.classes), counts, settings.img_size, settings.in_chans, fingerprint)


def some(names: Sequence[str], n: int = 3) -> str:
    """The first few names, for messages."""
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")
