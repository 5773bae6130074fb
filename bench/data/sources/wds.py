"""WebDataset tar shards as they come: each image beside its label, `KEY.jpg` and `KEY.cls`.

Where images are is found once, by a look at every header, and kept in the user's cache; then they are read at random.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from collections import Counter
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data.parts import choose_parts
from bench.data.settings import DataError, DataMissing, DataSettings
from bench.data.sources.folder import EXTENSIONS, class_map
from bench.data.survey import File, Survey, hash_labels
from bench.files import cache_folder, write_bytes

if TYPE_CHECKING:
    import numpy as np

    from bench.data.images import IndexedImages

LAYOUT = "expected shards such as train-0000.tar and validation-0000.tar, in it or in folders of its parts"
PAIR = "expected an image (such as KEY.jpg) and its class number (KEY.cls) for every key"
LABEL = ".cls"
MAX_CLASSES = 1_000_000
Row = tuple[int, int, int]  # offset, size, label


def survey(settings: DataSettings) -> Survey:
    """Raises DataMissing saying what was expected and what was found, DataError for what is no image and label."""
    import numpy as np

    shards_by_name = _shards(settings)
    parts = {part: shards_by_name[name] for part, name in choose_parts(settings, shards_by_name, LAYOUT).items()}
    index = {part: _index(settings, shards) for part, shards in parts.items()}
    labels = {part: rows[:, 3] for part, rows in index.items()}
    n = int(labels["train"].max()) + 1
    classes = class_map(settings) if settings.class_map else [f"{settings.name}/{i}" for i in range(n)]
    for part, values in labels.items():
        if values.min() < 0 or values.max() >= len(classes):
            what = f"{part} has labels from {values.min()} to {values.max()} for {len(classes)} classes"
            raise DataError(f"{settings.name}: {what}; expected them from 0, and in train all that others have")
    per_class = {part: np.bincount(values, minlength=len(classes)).tolist() for part, values in labels.items()}
    sizes = {part: len(rows) for part, rows in index.items()}
    chosen = {"labels": {part: hash_labels(values) for part, values in labels.items()}}
    return Survey(classes, sizes, per_class, memo=(parts, index), chosen=chosen)


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """Every shard."""
    shards, _ = survey.memo
    return [
        File(str(path), path.relative_to(settings.path).as_posix(), part)
        for part, paths in shards.items()
        for path in paths
    ]


def open_part(settings: DataSettings, survey: Survey, part: str) -> IndexedImages:
    from bench.data.images import IndexedImages
    from bench.data.sources.prepared import ShardReader  # only where they are read: prepared sets are shards, too

    shards, index = (of_part[part] for of_part in survey.memo)
    read = ShardReader([str(path) for path in shards], index)
    return IndexedImages(read, index[:, 3].copy(), f"{settings.path}/{part}")


def _shards(settings: DataSettings) -> dict[str, list[Path]]:
    """Shards by what their names have in common; also by the last word of that alone, where no others have it."""
    root = settings.path
    if not root.is_dir():
        raise DataMissing(f"{settings.name}: {root} is not a folder; {LAYOUT}")
    by_name: dict[str, list[Path]] = {}
    for path in sorted([*root.glob("*.tar"), *root.glob("*/*.tar")]):
        name = path.relative_to(root).with_suffix("").as_posix()
        by_name.setdefault(re.sub(r"[^A-Za-z0-9]*\d*$", "", name), []).append(path)
    last = {name: re.split(r"[^A-Za-z0-9]", name)[-1] for name in by_name}
    times = Counter(last.values())
    return by_name | {word: by_name[name] for name, word in last.items() if times[word] == 1}


def _index(settings: DataSettings, shards: list[Path]) -> np.ndarray:
    """Of each image int64 shard, offset, size and label: [n, 4]."""
    import numpy as np

    stats = [(str(path), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path in shards for s in [path.stat()]]
    name = hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:32]
    cache = cache_folder() / f"{name}.npy"
    with suppress(OSError, ValueError, EOFError):
        index = np.load(cache)
        if index.dtype == np.int64 and index.ndim == 2 and index.shape[1] == 4:
            return index
    print(f"{settings.name}: looking through {len(shards)} shards, once", file=sys.stderr, flush=True)
    rows = [(number, *row) for number, path in enumerate(shards) for row in _scan(path)]
    if not rows:
        raise DataMissing(f"{settings.name}: no image in {shards[0]} and what is beside it; {PAIR}")
    index = np.array(rows, dtype=np.int64)
    content = BytesIO()
    np.save(content, index)
    with suppress(OSError):  # nowhere to keep it: the next look takes as long
        write_bytes(cache, content.getvalue())
    return index


def _scan(path: Path) -> list[Row]:
    """Of each image in a shard, in their order."""
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                key, suffix = _split(member.name)
                if member.isfile() and suffix in EXTENSIONS:
                    images[key] = member.offset_data, member.size
                elif member.isfile() and suffix == LABEL:
                    labels[key] = _number(tar.extractfile(member), f"{path}: {member.name}")
                tar.members = []  # type: ignore[attr-defined]  # it would remember them all
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{path}: not a readable tar file ({type(error).__name__}: {error})") from None
    for key in images.keys() ^ labels.keys():
        raise DataError(f"{path}: {key} has no {'label' if key in images else 'image'}; {PAIR}")
    return [(*where, labels[key]) for key, where in images.items()]


def _split(name: str) -> tuple[str, str]:
    """(key, suffix) as WebDataset has it: the suffix begins at the first dot of the file's own name."""
    folder, slash, file = name.rpartition("/")
    key, dot, suffix = file.partition(".")
    return f"{folder}{slash}{key}", (dot + suffix).lower()


def _number(file: Any, name: str) -> int:
    text = file.read(40)
    try:
        label = int(text)
        if abs(label) >= MAX_CLASSES:
            raise ValueError(f"more than {MAX_CLASSES:,} classes")
        return label
    except ValueError:
        raise DataError(f"{name}: expected a class number, found {text[:40]!r}") from None
