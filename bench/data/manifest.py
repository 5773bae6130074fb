"""Size and time of each file of a data set, as it was planned with: how a worker tells cheaply that it still is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence

from bench.data.fingerprint import FileLook
from bench.data.settings import DataSettings
from bench.data.survey import File
from bench.identity import canonical, digest

CHECKSUM = 32  # bytes at the end


def settings_key(settings: DataSettings) -> str:
    """What of the settings says which images are meant, in one text."""
    unset = set() if settings.split else {"split"}  # so that records of before there was this key stay valid
    return canonical(settings.model_dump(mode="json", exclude={"workers", "download", *unset}))


def manifest_name(suite: str, settings: DataSettings) -> str:
    """Path of the manifest below the results."""
    return f"{suite}/data/{settings.name}-{digest(settings_key(settings))}.manifest"


def manifest(files: Sequence[File], looks: Sequence[FileLook]) -> bytes:
    """Size, time and name of each file, for `changes`; ends with a checksum."""
    body = b"".join(
        f"{seen.size} {seen.mtime_ns} ".encode() + os.fsencode(file.name) + b"\0"
        for file, seen in zip(files, looks, strict=True)
    )
    return body + hashlib.sha256(body).digest()


def records(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, size, mtime_ns) of the files of a manifest. Raises ValueError for a damaged one."""
    body = content[:-CHECKSUM]
    if hashlib.sha256(body).digest() != content[-CHECKSUM:]:
        raise ValueError("its content does not match its checksum")
    for record in body.split(b"\0")[:-1]:
        size, mtime, name = record.split(b" ", 2)
        yield name, int(size), int(mtime)


def changes(files: Sequence[File], content: bytes) -> Iterator[str]:
    """What is not as it was when the manifest was made, each with the name of the file."""
    planned = {name: (size, mtime) for name, size, mtime in records(content)}
    for file in files:
        expected = planned.pop(os.fsencode(file.name), None)
        if expected is None:
            yield f"{file.path} is new"
            continue
        try:
            status = os.stat(file.path)
        except OSError as error:
            yield f"{file.path}: {error.strerror}"
            continue
        if status.st_size != expected[0]:
            yield f"{file.path} has {status.st_size:,} bytes instead of {expected[0]:,}"
        elif status.st_mtime_ns != expected[1]:
            yield f"{file.path} was written to"
    for name in planned:
        yield f"{os.fsdecode(name)} is not there any more"
