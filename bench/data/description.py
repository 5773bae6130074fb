"""What a data set consists of, found without torch and without decoding an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any

from bench.data.fingerprint import fingerprint
from bench.data.known import DEFAULTS, HOW_TO_GET
from bench.data.manifest import manifest
from bench.data.selection import count
from bench.data.settings import DataError, DataMissing, DataSettings
from bench.data.survey import Survey, short_hash


@dataclass(frozen=True)
class Description:
    """What a plan needs to know of a data set.

    counts:      images in train, val and test, as used.
    fingerprint: what results depend on; JSON-able. No paths, no worker counts.
    manifest:    size and time of each file that the fingerprint saw, for workers; empty where none was looked at.
    """

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    img_size: int
    in_chans: int
    fingerprint: Mapping[str, Any]
    manifest: bytes = field(default=b"", repr=False, compare=False)

    @property
    def sees(self) -> str:
        """What the fingerprint sees of the images: `content`, `sample`, or `counts` alone."""
        if "content" in self.fingerprint:
            return self.fingerprint["content"]["form"]
        return "counts"

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def class_id(self) -> str:
        """Identity of the ordered class list; a head transfers only between equal ones."""
        return short_hash(self.classes)


def source_module(settings: DataSettings) -> ModuleType:
    """The module with `survey(settings) -> Survey`, `files(settings, survey) -> list[File]` and
    `open_part(settings, survey, part) -> Images`. Prepared data has its own, whatever its source was."""
    return import_module(f"bench.data.sources.{'prepared' if settings.is_prepared else settings.source}")


def describe(settings: DataSettings, *, hashed: bool = True, fetch: bool = False) -> Description:
    """Look at the data set; decodes nothing. Its files are read for the fingerprint, but for those read before.

    hashed: False leaves the images out of the fingerprint: for what starts nothing, and for results of earlier
        versions, whose identities did not contain them.
    fetch: download it first, where it is not there and the settings say `download`.
    Raises DataMissing where the data is not there, DataError (both ValueError) where it contradicts the settings.
    """
    try:
        source = source_module(settings)
        if fetch and settings.download:
            source.fetch(settings)
        survey = source.survey(settings)
        description = describe_survey(settings, survey)
        return add_content(description, settings, survey) if hashed and settings.source != "builtin" else description
    except DataMissing as error:
        how = how_to_get(settings)
        raise DataMissing(f"{error}. {how}" if how else str(error)) from None


def add_content(description: Description, settings: DataSettings, survey: Survey) -> Description:
    """The description with what its images are, as far as `settings.fingerprint` says.

    A prepared set is what its originals were, in the form that it has; its own files are held against their checksums.
    """
    source = source_module(settings)
    files = source.files(settings, survey)
    hashed, looks = fingerprint(settings.name, str(settings.path), files, settings.fingerprint, survey.chosen)
    content: dict[str, Any] = {"form": settings.fingerprint, "digest": hashed}
    if settings.is_prepared:
        content = source.content(survey)
        if settings.fingerprint == "content":
            source.hold(settings, survey, looks)
    together = {**description.fingerprint, "content": content}
    return replace(description, fingerprint=together, manifest=manifest(files, looks))


def how_to_get(settings: DataSettings) -> str:
    """What to do about a data set that is not there; nothing for one that is the user's own."""
    if settings.source != DEFAULTS.get(settings.known, {}).get("source"):
        return ""
    if settings.source == "torch":
        return f"torchvision can fetch it: {{name: {settings.name}, download: true}}"
    return HOW_TO_GET.get(settings.known, "")


def describe_survey(settings: DataSettings, survey: Survey) -> Description:
    """The description of what a source was found to have."""
    selection = count(settings, survey)
    if settings.num_classes not in (None, len(survey.classes)):
        where = f"; looked in {settings.path}" if settings.root else ""
        whole = "" if settings.classes is None else " in all, whatever `classes` takes of them"
        message = f"{settings.name} has {len(survey.classes)} classes{whole}, not num_classes: {settings.num_classes}"
        raise DataError(message + where)
    fingerprint = {
        "name": settings.name,
        "classes": short_hash(selection.names),
        "counts": selection.counts,
        "img_size": settings.img_size,
        "in_chans": settings.in_chans,
        "mean": list(settings.mean),
        "std": list(settings.std),
        "interpolation": settings.interpolation,
        "crop_pct": settings.crop_pct,
        "per_class": short_hash(selection.train),
    }
    if survey.form is not None:
        fingerprint["prepared"] = dict(survey.form)
    if survey.content is not None:
        fingerprint["content"] = {"form": "content", "digest": survey.content}
    if settings.in_memory:
        fingerprint["in_memory"] = True
    if "val" not in survey.sizes and settings.val_images is None:
        fingerprint["val_fraction"] = settings.val_fraction
    if selection.identity:
        fingerprint["selection"] = selection.identity
    return Description(
        settings.name, selection.names, selection.counts, settings.img_size, settings.in_chans, fingerprint
    )
