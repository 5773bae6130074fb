"""Files that are whole or not there: atomic writes, checksums, damaged files set aside. Everything that is written goes
through here: results, checkpoints, reports."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from pathlib import Path
from typing import Any

from bench.identity import digest
from bench.shapes import mismatch

STALE = 3600.0  # seconds without a change after which what a process was writing may be a killed one's
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
    beside = temporary(path)
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """A hidden name beside `path` that nothing has, for what becomes `path`; it says which process writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def is_abandoned(path: Path, *, beside: Path) -> bool:
    """Whether what has a name of `temporary` is a killed process's: none of its number is here, where this may be its
    machine, and it was last written to more than STALE before `beside`, which was made just now, both by the clock of
    their file system: wherever its process was, it has ended."""
    try:
        age = beside.lstat().st_mtime - path.lstat().st_mtime
    except OSError:
        return False
    named = re.search(r"(\.\d+)?\.[0-9a-f]{8}\.tmp$", path.name)  # earlier versions named no process
    return named is not None and age > STALE and not (named[1] and is_alive(int(named[1][1:])))


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def copy(source: Path, target: Path) -> None:
    """Copy a plain file with its times; the new one follows the umask. Raises OSError for a link, which may lead to
    what the owner of `source` may not read and we may."""
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file", str(source))
        with target.open("wb") as new:
            shutil.copyfileobj(file, new, 1 << 20)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def follow_umask(path: Path) -> None:
    """Give a file, which a library may have made for its owner alone, the permissions that new files have here."""
    beside = temporary(path)
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        path.chmod(stat.S_IMODE(beside.stat().st_mode))
    finally:
        beside.unlink()


def require_readable(path: Path) -> None:
    """Raise PermissionError for a file that is there and that this user may not read: libraries say it is not there."""
    if path.exists() and not os.access(path, os.R_OK):
        owner = path.stat().st_uid
        raise PermissionError(errno.EACCES, f"no permission to read what user {owner} wrote", str(path))


def write_json(path: Path, value: dict[str, Any]) -> Path:
    """Write a JSON object with a checksum of its content, and return its path."""
    body = json.loads(json.dumps(value))
    write_bytes(path, (json.dumps(body | {"sha256": digest(body, 64)}, indent=1) + "\n").encode())
    return path


def _open_to_read(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError:
        how = "no permission to read it; who wrote it can share it: chmod -R g+rX, and umask 027 from then on"
        raise PermissionError(errno.EACCES, how, str(path)) from None


def read_file(path: Path) -> bytes | None:
    """Return what is in a file, or None where there is none. Raises ValueError for what is no plain file (a folder, a
    pipe that nobody writes to), PermissionError, or OSError where it cannot be read."""
    try:
        descriptor = _open_to_read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ELOOP, errno.ENAMETOOLONG):  # a socket; a link that leads to itself
            raise ValueError(f"{path}: not a file ({error.strerror})") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path}: not a file")
    with open(descriptor, "rb") as file:
        return file.read()


def open_plain(path: Path, flags: int) -> int:
    """Open a file to write to and return its descriptor; new ones follow the umask. Raises OSError, without waiting,
    for a link, which may lead to a stranger's file, and for what is no plain file, such as a pipe nobody reads."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return descriptor


def read_json(path: Path, shape: Any = dict) -> dict[str, Any] | None:
    """What `write_json` wrote, or None where there is none. Raises ValueError for a damaged file, or one
    of another shape (see bench.shapes)."""
    text = read_file(path)
    if text is None:
        return None
    try:
        value = json.loads(text)
        checksum = value.pop("sha256")
        whole = checksum == digest(value, 64)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ValueError(f"{path}: truncated or not a result of this program") from None
    if not whole:
        raise ValueError(f"{path}: its content does not match its checksum")
    if trouble := mismatch(value, shape):
        raise ValueError(f"{path}: {trouble}")
    return value


def unwritable(folder: Path) -> str:
    """Why no file can be made in a folder, which is made if it is not there; empty where one can, as far as modes tell.
    Nothing is written to find out."""
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        return f"{place} is no folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} is not writable for you"


def is_whole(path: Path) -> bool:
    """Whether a file has the end that `write_json` gives: cut ones have not. Tells it from the last bytes alone."""
    try:
        descriptor = _open_to_read(path)
    except PermissionError:
        raise
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        end = os.pread(descriptor, END, max(0, os.fstat(descriptor).st_size - END))
    finally:
        os.close(descriptor)
    return re.search(rb'"sha256": "[0-9a-f]{64}"\n}\n\Z', end) is not None


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(path: Path) -> dict[str, Any]:
    """Return size, time and checksum of a file, which `changed` reads."""
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256(path)}


def changed(path: Path, expected: dict[str, Any] | None, *, thorough: bool = False) -> str:
    """Tell what is other with a file than `described` said, or nothing. Content is hashed only where the file's time
    changed, or always if `thorough`."""
    try:
        status = path.stat()
    except PermissionError:
        raise
    except OSError:
        return f"{path}: missing"
    if expected is None or not stat.S_ISREG(status.st_mode):
        return f"{path}: not a file" if expected else f"{path}: not known"
    if status.st_size != expected["bytes"]:
        return f"{path}: {status.st_size} bytes instead of {expected['bytes']}"
    if (thorough or status.st_mtime_ns != expected["mtime_ns"]) and sha256(path) != expected["sha256"]:
        return f"{path}: its content does not match its checksum"
    return ""


def unused(path: Path, why: str) -> Path:
    """A name beside `path` that nothing has, for what is set aside."""
    return path.with_name(f"{path.name}.{why}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")


def set_aside(path: Path) -> Path:
    """Rename a damaged file out of the way; returns its new place."""
    aside = unused(path, "damaged")
    os.replace(path, aside)
    return aside
