"""Image folders: part/class/image, as torchvision and timm read them; or class/image, of which `split` makes parts.

A part is counted with one directory listing per class and no look at the files themselves, so that a plan can count
ImageNet. timm's own folder reader is not used: it needs torch, and its data set replaces an image that cannot be
decoded by the next one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.parts import choose_parts
from bench.data.settings import Cut, DataError, DataMissing, DataSettings
from bench.data.stratify import shares
from bench.data.survey import File, Survey
from bench.words import few

if TYPE_CHECKING:
    from bench.data.images import FileImages

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
Listed = dict[str, list[str]]  # class -> image files, as paths below the class folder
LAYOUT = "expected part/class/image, such as train/cat/1.jpg and val/cat/2.jpg, with parts train, val and test"
DEEPEST = 16  # folders below that of a class
UNDIVIDED = "expected class/image, such as cat/1.jpg"
EITHER = f"{LAYOUT}, or class/image with split: {{val: 0.1, test: 0.2}}"


def survey(settings: DataSettings) -> Survey:
    """Raises DataMissing saying what was expected and what was found."""
    parts = _parts(settings)
    listed = {part: list_classes(folder, UNDIVIDED if settings.split else LAYOUT) for part, folder in parts.items()}
    classes = _classes(settings, listed["train"])
    if settings.split:
        cut = _cut(settings, settings.split, {c: listed["train"][c] for c in classes})
        listed, parts = listed | cut, parts | dict.fromkeys(cut, parts["train"])
    for part, images in listed.items():
        unknown = sorted(set(images) - set(classes))
        if unknown and part != "train" and not settings.class_map:
            raise DataError(f"{settings.name}: {parts[part]} has classes that train has not: {few(unknown, 3)}")
        lacking = [c for c in classes if c not in images]
        if lacking and settings.num_classes:
            what = f"num_classes: {settings.num_classes} in every part"
            raise DataError(f"{settings.name}: {parts[part]} has no images of {few(lacking, 3)}; expected {what}")
    sizes = {part: sum(len(images.get(c, ())) for c in classes) for part, images in listed.items()}
    per_class = {part: [len(images.get(c, ())) for c in classes] for part, images in listed.items()}
    return Survey(classes, sizes, per_class, memo=(parts, listed))


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """Every image, in the order in which parts have them."""
    folders, listed = survey.memo
    below = {part: "" if folder == settings.path else folder.name for part, folder in folders.items()}
    return [
        File(os.path.join(folder, c, name), os.path.join(below[part], c, name), part, label)
        for part, folder in folders.items()
        for label, c in enumerate(survey.classes)
        for name in sorted(listed[part].get(c, ()))
    ]


def open_part(settings: DataSettings, survey: Survey, part: str) -> FileImages:
    """Images in the order of classes, then of file names."""
    from bench.data.images import FileImages

    folder, listed = (of_part[part] for of_part in survey.memo)
    names = [os.path.join(c, name) for c in survey.classes for name in sorted(listed.get(c, ()))]
    labels = [label for label, c in enumerate(survey.classes) for _ in listed.get(c, ())]
    return FileImages(folder, names, labels)


def _parts(settings: DataSettings) -> dict[str, Path]:
    root = settings.path
    if not root.is_dir():
        raise DataMissing(f"{settings.name}: {root} is not a folder; {LAYOUT}")
    if settings.split and not settings.splits:
        return {"train": root}
    subfolders = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    return {part: root / name for part, name in choose_parts(settings, subfolders, EITHER).items()}


def _cut(settings: DataSettings, cut: Cut, images: Listed) -> dict[str, Listed]:
    """The parts of a folder that has only one: each class has its share in each of them."""
    counts = [len(names) for names in images.values()]
    test = shares(counts, cut.test)
    val = shares(counts, cut.val) if cut.val else [0] * len(counts)
    parts: dict[str, Listed] = {"train": {}, "val": {}, "test": {}}
    for (c, names), n_test, n_val in zip(images.items(), test, val, strict=True):
        if n_test + n_val >= len(names):
            wanted = "train, val and test" if cut.val else "train and test"
            raise DataError(
                f"{settings.name}: {len(names)} image{'s' * (len(names) > 1)} of {c} cannot be split into {wanted}; "
                f"expected at least {3 if cut.val else 2}"
            )
        drawn = sorted(names, key=lambda name: hashlib.sha256(os.fsencode(f"{cut.seed}/{c}/{name}")).digest())
        ends = n_test, n_test + n_val
        parts["test"][c], parts["val"][c], parts["train"][c] = (
            drawn[: ends[0]],
            drawn[ends[0] : ends[1]],
            drawn[ends[1] :],
        )
    return parts if cut.val else {part: parts[part] for part in ("train", "test")}


def list_classes(folder: Path, layout: str = UNDIVIDED) -> Listed:
    """The images of every class folder. Raises DataMissing where there is no such folder, or one without images."""
    classes = [entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    listed = {c: list(_images(os.path.join(folder, c))) for c in classes}
    empty = sorted(c for c, files in listed.items() if not files)
    if empty or not listed:
        what = f"no image in {few(empty, 3)}" if empty else "no class folder"
        raise DataMissing(f"{folder}: {what}; {layout} (images: {' '.join(EXTENSIONS)})")
    return listed


def _images(folder: str, below: str = "") -> Iterator[str]:
    """Names of the images in a class folder and the folders below it, but for hidden ones."""
    if below.count(os.sep) > DEEPEST:
        raise DataError(f"{os.path.join(folder, below)}: nested more than {DEEPEST} deep; does a link lead back?")
    with os.scandir(os.path.join(folder, below)) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(EXTENSIONS):
                yield os.path.join(below, entry.name)
            elif entry.is_dir():
                yield from _images(folder, os.path.join(below, entry.name))


def _classes(settings: DataSettings, train: dict[str, list[str]]) -> Sequence[str]:
    """The class list in label order: that of `class_map`, else by name with numbers compared as numbers, as timm."""
    if not settings.class_map:
        return sorted(train, key=lambda c: [(not w.isdigit(), int(w) if w.isdigit() else w) for w in _words(c)])
    classes = class_map(settings)
    missing = [c for c in classes if c not in train]
    if missing:
        raise DataError(f"{settings.name}: class_map names classes that train has not: {few(missing, 3)}")
    return classes


def class_map(settings: DataSettings) -> list[str]:
    """The classes that the file `class_map` lists."""
    file = Path(os.path.expandvars(settings.class_map or "")).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataMissing(f"{settings.name}: class_map {file}: {error.strerror}") from None
    return [line.strip() for line in lines if line.strip()]


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"(\d+)", name.lower()) if w]
