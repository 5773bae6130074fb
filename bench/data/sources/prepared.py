"""Prepared data sets: WebDataset tar shards with an index, as `bench prepare` writes them, read at random.

A folder of `<part>-00000.tar` ..., in each of which an image `000000012.jpg` is followed by its label `000000012.cls`;
`_info.json`, which is also what timm's `wds/` reader looks for; and `<part>.index.npy`, int64 [n, 4]: shard, offset and
size of each image's bytes, and its label, in the order of the source.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.settings import INFO, DataError, DataMissing, DataSettings
from bench.data.sources.folder import class_map
from bench.data.survey import File, Survey
from bench.files import read_file, read_json

if TYPE_CHECKING:
    from PIL import Image

    from bench.data.fingerprint import FileLook
    from bench.data.images import IndexedImages

LAYOUT = "tar shards with an index, 1"
SPLIT = {
    "num_samples": int,
    "filenames": [str],
    "bytes": [int],
    "sha256": [str],
    "per_class": [int],
    "index_sha256?": str,
}
SHAPE = {"classes": [str], "parts": dict, "prepared": {"originals": str, "*": object}, "splits": {"*": SPLIT}}
OPEN = 256  # shards that a process keeps mapped


def survey(settings: DataSettings) -> Survey:
    """From `_info.json`; of the shards themselves only the sizes are looked at."""
    root = settings.path
    info = read_info(root)
    if settings.class_map and class_map(settings) != info["classes"]:
        raise DataError(f"{settings.name}: class_map is not in the order that {root} was prepared in; prepare it anew")
    if settings.splits and info["parts"] and dict(settings.splits) != info["parts"]:
        raise DataError(f"{settings.name}: {root} was prepared from {info['parts']}, not from {dict(settings.splits)}")
    if settings.split and settings.split.model_dump() != info.get("split"):
        raise DataError(f"{settings.name}: {root} was prepared with split {info.get('split')}; prepare it anew")
    for split in info["splits"].values():
        for name, size in zip(split["filenames"], split["bytes"], strict=True):
            check_size(root / name, size)
    sizes = {part: split["num_samples"] for part, split in info["splits"].items()}
    per_class = {part: split["per_class"] for part, split in info["splits"].items()}
    return Survey(info["classes"], sizes, per_class, memo=info, form=info["prepared"])


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """Every shard and index."""
    return [File(str(settings.path / name), name) for name in checksums(survey.memo)]


def checksums(info: dict[str, Any]) -> dict[str, str | None]:
    """SHA-256 of each shard and index, as `_info.json` has it; older ones have none of an index."""
    return {
        name: checksum
        for part, split in info["splits"].items()
        for name, checksum in (
            *zip(split["filenames"], split["sha256"], strict=True),
            (f"{part}.index.npy", split.get("index_sha256")),
        )
    }


def content(survey: Survey) -> dict[str, Any]:
    """The fingerprint of the originals, as they were when they were prepared, and how the images lie in files here."""
    info = survey.memo
    originals = info.get("content") or {"form": "content", "digest": info["prepared"]["originals"]}
    return originals | {"layout": LAYOUT}


def hold(settings: DataSettings, survey: Survey, looks: Sequence[FileLook]) -> None:
    """Raises DataError for a file whose content does not match its checksum."""
    for (name, expected), seen in zip(checksums(survey.memo).items(), looks, strict=True):
        if expected not in (None, seen.digest.hex()):
            raise damaged(settings.path, name)


def damaged(root: Path, name: str) -> DataError:
    how = f"remove {root / INFO} and {root / name}, and prepare the data set again"
    return DataError(f"{root / name}: its content does not match its checksum; {how}")


def read_info(root: Path) -> dict[str, Any]:
    """What `bench prepare` says of a folder. Raises DataMissing where it is not done, DataError for a damaged file."""
    try:
        info = read_json(root / INFO, SHAPE)
        if info and any(os.path.basename(name) != name for name in checksums(info)):
            raise ValueError(f"{root / INFO}: it names files that are not beside it")
    except ValueError as error:
        raise DataError(f"{error}; expected what bench prepare writes") from None
    if info is None:
        raise DataMissing(f"{root}: no {INFO}: it is not prepared, or not to the end; see bench prepare")
    return info


def check_size(path: Path, size: int) -> None:
    actual = path.stat().st_size if path.is_file() else None
    if actual != size:
        what = "missing" if actual is None else f"{actual} bytes instead of {size}"
        raise DataError(f"{path}: {what}; remove {path.parent / INFO} and prepare the data set again")


def open_part(settings: DataSettings, survey: Survey, part: str) -> IndexedImages:
    import numpy as np

    from bench.data.images import IndexedImages

    root, split = settings.path, survey.memo["splits"][part]
    file = root / f"{part}.index.npy"
    try:
        content = read_file(file)
        if content is None:
            raise ValueError(f"{file}: missing")
        if split.get("index_sha256") not in (None, hashlib.sha256(content).hexdigest()):
            raise damaged(root, file.name)
        index = np.load(BytesIO(content))
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{error}; remove {root / INFO} and prepare the data set again") from None
    if len(index) != split["num_samples"]:
        raise DataError(f"{root}: {len(index)} images in {part}.index.npy, expected {split['num_samples']}")
    read = ShardReader([str(root / name) for name in split["filenames"]], index)
    return IndexedImages(read, index[:, 3].copy(), f"{root}/{part}")


class ShardReader:
    """index -> the image's file, in memory. A class, so that workers that are spawned can have it."""

    def __init__(self, shards: list[str], index: Any) -> None:
        self.shards, self.index = shards, index

    def __call__(self, index: int) -> BytesIO | Image.Image:
        shard, offset, size, _ = self.index[index].tolist()
        return BytesIO(_map(self.shards[shard])[offset : offset + size])


@lru_cache(maxsize=OPEN)
def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
