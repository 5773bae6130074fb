"""Write a data set once, as tar shards with an index (see `bench.data.sources.prepared`), shard by shard.

A shard is there when the JSON file beside it is, which says what is in it; the data set when `_info.json` is. Whatever
ends the work before leaves whole shards behind, and the same call goes on after them, to the same bytes; so it does
without `_info.json` where a shard was damaged later.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from tarfile import USTAR_FORMAT, TarFile, TarInfo
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from bench import files
from bench.data.description import source_module
from bench.data.fingerprint import fingerprint
from bench.data.images import FileImages, Stored
from bench.data.pool import obey_main_process_only
from bench.data.preparing.encode import Encoded, Encoder, Form
from bench.data.settings import INFO, DataError, DataSettings
from bench.data.sources.prepared import checksums, damaged
from bench.data.survey import Survey, short_hash

CHUNK = 32  # images that a process encodes at a time
PLAN = "preparing.json"
LEFT = re.compile(r"\.(train|val|test)-\d+\.(tar|json)(\.\d+)?\.[0-9a-f]{8}\.tmp")  # of a shard that was being written
Json = dict[str, Any]


def prepare(
    settings: DataSettings,
    form: Form,
    out: Path,
    *,
    workers: int = 0,
    skip_broken: bool = False,
    progress: Callable[[int], None] = lambda images: None,
) -> Json:
    """Prepare the data set in the folder `out`, or go on with it; returns what `_info.json` says.

    progress: called with the number of images that were done since the last call, or found done.
    Raises DataError for an image that cannot be decoded (unless such are skipped), and where `out` holds another form.
    """
    source = source_module(settings)
    survey = source.survey(settings)
    parts: dict[str, Stored] = {part: source.open_part(settings, survey, part) for part in survey.sizes}
    hashed, _ = fingerprint(
        settings.name, str(settings.path), source.files(settings, survey), settings.fingerprint, survey.chosen
    )
    plan = _plan(settings, survey, parts, form) | {"content": {"form": settings.fingerprint, "digest": hashed}}
    out.mkdir(parents=True, exist_ok=True)
    info = files.read_json(out / INFO)
    begun = info["plan"] if info else files.read_json(out / PLAN)
    if begun and "content" not in begun:  # begun by an earlier version, it goes on as that would have
        del plan["content"]
    if begun not in (None, plan):
        differs = ", ".join(key for key in plan if begun.get(key) != plan[key])
        raise DataError(f"{out} holds {settings.name} prepared otherwise ({differs}); give another --out, or delete it")
    if info is None:
        files.write_json(out / PLAN, plan)
        for leftover in out.iterdir():
            if LEFT.fullmatch(leftover.name):
                leftover.unlink()
        done = {part: _part(part, images, form, out, workers, skip_broken, progress) for part, images in parts.items()}
        info = _finish(settings, survey, form, plan, done, out)
    else:
        progress(sum(survey.sizes.values()))
    (out / PLAN).unlink(missing_ok=True)
    return info


def _plan(settings: DataSettings, survey: Survey, parts: dict[str, Stored], form: Form) -> Json:
    """What the bytes depend on; another data set or form cannot be continued in the same folder."""
    listed = {part: images.names for part, images in parts.items() if isinstance(images, FileImages)}
    return {
        "form": asdict(form),
        "parts": dict(settings.splits or {}),
        "classes": short_hash(survey.classes),
        "images": dict(survey.sizes),
        "files": {part: hashlib.sha256(names.tobytes()).hexdigest() for part, names in listed.items()},
    }


def shard_length(images: int) -> int:
    """Images in a shard: some 64 shards, none of which takes long to make anew or is too small to be worth a file."""
    return min(max(-(-images // 64), 256), 10_000)


def _part(
    part: str,
    images: Stored,
    form: Form,
    out: Path,
    workers: int,
    skip_broken: bool,
    progress: Callable[[int], None],
) -> list[Json]:
    """Write the shards of a part that are not there; returns what is in each."""
    n = len(images.labels)
    length = shard_length(n)
    spans = {out / f"{part}-{i:05}.tar": (at, min(at + length, n)) for i, at in enumerate(range(0, n, length))}
    shards = {path: _written(path) for path in spans}
    for path, (start, stop) in spans.items():
        if shards[path]:
            progress(stop - start)
    todo = {path: list(_chunks(*spans[path])) for path in spans if not shards[path]}
    chunks = list(chain.from_iterable(todo.values()))
    loader = DataLoader(
        Encoder(images, form),
        batch_size=None,
        sampler=chunks,  # type: ignore[arg-type]  # a span of images stands for an index
        num_workers=min(workers, len(chunks)),
        worker_init_fn=obey_main_process_only,
    )
    encoded = iter(loader)
    for path, shard_chunks in todo.items():
        shard_images = _checked(islice(encoded, len(shard_chunks)), skip_broken, progress)
        shards[path] = _write(path, shard_images)
    return [facts for facts in shards.values() if facts]


def _chunks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    for at in range(start, stop, CHUNK):
        yield at, min(at + CHUNK, stop)


def _checked(chunks: Iterable[list[Encoded]], skip_broken: bool, progress: Callable[[int], None]) -> Iterator[Encoded]:
    for chunk in chunks:
        for image in chunk:
            if image.broken and not skip_broken:
                raise DataError(f"{image.broken}; replace it, or leave such images out with --skip-broken")
            yield image
        progress(len(chunk))


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _written(path: Path) -> Json | None:
    """What is in a shard, if it is whole."""
    try:
        facts = files.read_json(_beside(path))
        return facts if facts and path.stat().st_size == facts["bytes"] else None
    except (ValueError, OSError):
        return None


def _write(path: Path, images: Iterable[Encoded]) -> Json:
    """Write a shard, then what is in it."""
    rows: list[list[int]] = []  # offset, size, label
    broken: list[str] = []
    source = hashlib.sha256()
    temporary = files.temporary(path)
    with temporary.open("wb") as file:
        with TarFile(mode="w", fileobj=file, format=USTAR_FORMAT) as tar:
            for image in images:
                if image.broken:
                    broken.append(image.broken)
                    continue
                name = f"{image.index:09}"
                offset = _add(tar, file.tell(), f"{name}.{image.suffix}", image.data)
                _add(tar, file.tell(), f"{name}.cls", str(image.label).encode())
                rows.append([offset, len(image.data), image.label])
                source.update(image.source + image.label.to_bytes(8, "little"))
        file.flush()
        os.fsync(file.fileno())
    facts = {"bytes": temporary.stat().st_size, "checksum": files.sha256(temporary), "source": source.hexdigest()}
    os.replace(temporary, path)
    facts |= {"rows": rows, "broken": broken}
    files.write_json(_beside(path), facts)
    return facts


def _add(tar: TarFile, at: int, name: str, data: bytes) -> int:
    """Add a file, the same for everybody at any time; returns where its content is."""
    info = TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, BytesIO(data))
    return at + len(info.tobuf(USTAR_FORMAT))


def _finish(
    settings: DataSettings, survey: Survey, form: Form, plan: Json, done: dict[str, list[Json]], out: Path
) -> Json:
    """Write the index and, last, `_info.json`."""
    splits = {}
    for part, shards in done.items():
        index = np.array([(i, *row) for i, shard in enumerate(shards) for row in shard["rows"]], dtype=np.int64)
        index = index.reshape(-1, 4)
        buffer = BytesIO()
        np.save(buffer, index)
        files.write_bytes(out / f"{part}.index.npy", buffer.getvalue())
        splits[part] = {
            "name": part,
            "num_samples": len(index),
            "filenames": [f"{part}-{i:05}.tar" for i in range(len(shards))],
            "shard_lengths": [len(shard["rows"]) for shard in shards],
            "bytes": [shard["bytes"] for shard in shards],
            "sha256": [shard["checksum"] for shard in shards],
            "index_sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
            "per_class": np.bincount(index[:, 3], minlength=len(survey.classes)).tolist(),
        }
    originals = short_hash([shard["source"] for shards in done.values() for shard in shards])
    info = {
        "name": settings.name,
        "prepared": asdict(form) | {"originals": originals},
        **({"content": plan["content"]} if "content" in plan else {}),
        "classes": list(survey.classes),
        "parts": dict(settings.splits or {}),
        **({"split": settings.split.model_dump()} if settings.split else {}),
        "splits": splits,
        "broken": [name for shards in done.values() for shard in shards for name in shard["broken"]],
        "plan": plan,
    }
    files.write_json(out / INFO, info)
    return files.read_json(out / INFO) or info


def check(out: Path, info: Json) -> None:
    """Read all shards and indices. Raises DataError naming one that is not as it was written."""
    for name, expected in checksums(info).items():
        if expected not in (None, files.sha256(out / name)):
            raise damaged(out, name)
