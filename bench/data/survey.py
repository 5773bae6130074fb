"""What a source says of its data set before any image is read: classes, counts, and the files that it is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Survey:
    """What a source has: the ordered classes, images per part, and images per class of the parts where that is known:
    of train always.

    memo:   whatever the source wants to see again in `open_part` and `files`, so that it need not look twice.
    form:   what was done to the images since, where something was: part of what results depend on.
    chosen: what beside the files says which images are used, and with which labels; JSON-able.
    content: hash of the images and labels of a data set that has no files and is not fixed by its name alone.
    """

    classes: Sequence[str]
    sizes: Mapping[str, int]
    per_class: Mapping[str, Sequence[int]]
    memo: Any = None
    form: Mapping[str, Any] | None = None
    chosen: Mapping[str, Any] | None = None
    content: str | None = None


class File(NamedTuple):
    """A file of a data set: an image, or one that holds many.

    name: its path below the data set's root, whatever that is called; absolute only for one that lies elsewhere.
    part: what it is used for, where it is one part; label: the class, where it is one image.
    """

    path: str
    name: str
    part: str = ""
    label: int | None = None


def short_hash(values: Sequence[str | int]) -> str:
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()[:12]


def hash_labels(labels: Any) -> str:
    """SHA-256 of labels (integers, [n]), whatever their type."""
    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").tobytes()).hexdigest()
