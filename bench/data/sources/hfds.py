"""Hugging Face data sets saved by `DatasetDict.save_to_disk`: Arrow files, memory-mapped, with random access.

`datasets.load_dataset` reads hub data sets, parquet and WebDataset tar shards into this form, once.
"""

from __future__ import annotations

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bench.data.parts import choose_parts
from bench.data.settings import DataError, DataMissing, DataSettings
from bench.data.survey import File, Survey, hash_labels
from bench.errors import extra

if TYPE_CHECKING:
    from bench.data.images import IndexedImages


def survey(settings: DataSettings) -> Survey:
    import numpy as np

    parts = _parts(settings)
    labels = {part: _labels(data, settings) for part, data in parts.items()}
    names = getattr(parts["train"].features[settings.label_column], "names", None)
    classes = names or [f"{settings.name}/{i}" for i in range(int(labels["train"].max()) + 1)]
    for part, values in labels.items():
        if values.min() < 0 or values.max() >= len(classes):
            raise DataError(
                f"{settings.name}: {part} has labels from {values.min()} to {values.max()} for {len(classes)} classes "
                "(-1 stands for unlabelled); choose other parts: splits: {train: NAME, test: NAME}"
            )
    sizes = {part: len(data) for part, data in parts.items()}
    per_class = {part: np.bincount(values, minlength=len(classes)).tolist() for part, values in labels.items()}
    chosen = {
        "columns": [settings.image_column, settings.label_column],
        "labels": {part: hash_labels(values) for part, values in labels.items()},
    }
    return Survey(classes, sizes, per_class, memo=parts, chosen=chosen)


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """The Arrow files of each part in their order, and the image files that they name where they do not hold them."""
    listed = []
    for part, data in survey.memo.items():
        for arrow in data.cache_files:
            path = os.path.abspath(arrow["filename"])
            listed.append(File(path, os.path.relpath(path, settings.path), part))
        for path in _outside(data, settings.image_column):
            listed.append(File(os.path.join(settings.path, path), path, part))
    return listed


def _outside(data: Any, column: str) -> list[str]:
    """Paths of the images that are not stored with the data set."""
    paths: list[str] = []
    for chunk in data.data.column(column).chunks:
        if [field.name for field in chunk.type] == ["bytes", "path"] and chunk.field("bytes").null_count:
            paths += chunk.field("path").filter(chunk.field("bytes").is_null()).to_pylist()
    return paths


def open_part(settings: DataSettings, survey: Survey, part: str) -> IndexedImages:
    import datasets

    from bench.data.images import IndexedImages

    data = survey.memo[part]
    images = data.cast_column(settings.image_column, datasets.Image(decode=False))
    read = _Reader(images, settings.image_column)
    return IndexedImages(read, _labels(data, settings), f"{settings.name}/{part}")


class _Reader:
    """index -> what PIL can open. A class, so that workers that are spawned can have it."""

    def __init__(self, images: Any, column: str) -> None:
        self.images, self.column = images, column

    def __call__(self, index: int) -> Any:
        image = self.images[int(index)][self.column]
        return BytesIO(image["bytes"]) if image["bytes"] is not None else image["path"]


def _parts(settings: DataSettings) -> dict[str, Any]:
    try:
        import datasets
    except ImportError:
        raise DataError(f"{settings.name}: source hfds needs the package `datasets`: {extra('hf')}") from None
    root = settings.path
    if not (root / "dataset_dict.json").is_file():
        raise DataMissing(
            f"{settings.name}: no dataset_dict.json in {root}; expected what save_to_disk wrote: "
            "datasets.load_dataset(NAME).save_to_disk(ROOT)"
        )
    saved = datasets.load_from_disk(str(root))
    names = choose_parts(settings, list(saved), "expected parts train, val and test")
    parts = {part: saved[name] for part, name in names.items()}
    for column in (settings.image_column, settings.label_column):
        if column not in parts["train"].features:
            raise DataError(f"{settings.name}: no column {column!r} (columns: {', '.join(parts['train'].features)})")
    return parts


def _labels(data: Any, settings: DataSettings) -> Any:
    return data.with_format("numpy", columns=[settings.label_column])[settings.label_column][:]
