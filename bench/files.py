"""Files that are whole or not there: atomic writes, checksums, damaged files set aside. Everything that is written goes
through here: results, checkpoints, reports."""

import hashlib
import json
import os
import re
import secrets
import stat
import time
from pathlib import Path
from typing import Any

from bench.identity import digest

END = 100  # bytes at the end of a JSON file, with its checksum


def cache_folder() -> Path:
    """Where this user keeps what can be made again: `~/.cache/learngene-bench`, or below XDG_CACHE_HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "learngene-bench"


def make_private(folder: Path) -> None:
    """Make a folder for what is executed, with those above it: nobody but its owner can write into it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def is_private(folder: Path) -> bool:
    """Tell whether a folder is this user's own and nobody else can write into it; a link is not."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one step, its folder made if need be: a reader sees the old one or the new one, also after a
    crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a checksum of its content."""
    body = json.loads(json.dumps(value))
    write_bytes(path, (json.dumps(body | {"sha256": digest(body, 64)}, indent=1) + "\n").encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """What `write_json` wrote, or None where there is none. Raises ValueError for a damaged file."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        value = json.loads(text)
        checksum = value.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{path}: truncated or not a result of this program") from None
    if checksum != digest(value, 64):
        raise ValueError(f"{path}: its content does not match its checksum")
    return value


def is_whole(path: Path) -> bool:
    """Whether a file has the end that `write_json` gives: cut ones have not. Tells it from the last bytes alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        end = os.pread(descriptor, END, max(0, os.fstat(descriptor).st_size - END))
    finally:
        os.close(descriptor)
    return re.search(rb'"sha256": "[0-9a-f]{64}"\n}\n\Z', end) is not None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unused(path: Path, why: str) -> Path:
    """A name beside `path` that nothing has, for what is set aside."""
    return path.with_name(f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")


def set_aside(path: Path) -> Path:
    """Rename a damaged file out of the way; returns its new place."""
    aside = unused(path, "damaged")
    os.replace(path, aside)
    return aside
