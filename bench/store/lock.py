"""A lock that works on shared file systems and is never held by the dead.

The lock of a job is the file `lock.N` with the highest N. Taking it creates the next number by link(2), which succeeds
for exactly one process and shows the file with its whole content; whoever then sees another living one gives way. The
holder rewrites its file as a heartbeat. A holder is dead when its process is gone (same host and boot), or when its
file was not touched for `timeout` seconds (another host; by the file system's clock).
"""

import contextlib
import json
import os
import re
import secrets
import socket
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench import files
from bench.shapes import mismatch

TIMEOUT = 120.0  # seconds without a heartbeat after which a holder on another host counts as dead
BEAT = 2.0  # seconds between heartbeats
SETTLE = 2.0  # seconds that two that took the lock at once have to agree whose it is
HOLDER = {"pid": int, "machine?": str, "host?": str, "start?": (str, type(None)), "token?": str}
SIZE = 1024  # bytes of a lock's file: rewritten in one piece, without a moment in which it is not there


def is_lock(name: str) -> bool:
    """Whether a file of a job's folder belongs to its lock."""
    return name.lstrip(".").startswith("lock.")


@lru_cache
def machine() -> str:
    """This host and boot: process ids mean something only within them."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def process_start(pid: int) -> str | None:
    """When a process started, in clock ticks, or None where it is gone (or a zombie): tells a reused pid apart.
    "unknown" where the system does not say."""
    if not 0 < pid < 1 << 31:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        pass
    return "unknown" if files.is_alive(pid) else None


class Lock:
    """The lock of one job directory. Use `acquire`, then `release`; `holder` only looks."""

    def __init__(self, folder: Path, timeout: float = TIMEOUT) -> None:
        self.folder, self.timeout = folder, timeout
        self.token = secrets.token_hex(8)
        self.path: Path | None = None
        self.note: dict[str, Any] = {}
        self._stop = threading.Event()
        self._write_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody alive holds it. Heartbeats start; returns whether it was taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".lock.{self.token}.tmp"
        try:
            temporary.write_text(self._content())
            now = temporary.stat().st_mtime
            number, path = self._highest()
            if path is not None and self._alive(path, now):
                return False
            mine = self.folder / f"lock.{number + 1}"
            if not _create(temporary, mine):
                return False
        finally:
            temporary.unlink(missing_ok=True)
        others = [(n, other) for n, other in self._files() if other != mine]
        # since we looked, another may have taken it with a higher number, or, after a release, with a lower one
        if any(n > number or self._alive(other, now) for n, other in others):
            mine.unlink(missing_ok=True)
            return False
        for _, other in others:
            _remove(other)
        self.path = mine
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._thread.start()
        return True

    def held(self) -> bool:
        """Whether the lock is still ours: another may have taken it over while this process was stopped.

        A higher number is a successor's, which is about to remove ours, or a late comer's, which is about to give way.
        """
        deadline = time.monotonic() + SETTLE
        while self._is_ours():
            path = self._highest()[1]
            if path is None or path == self.path:
                return path is not None
            if time.monotonic() > deadline:
                return not self._alive(path)
            time.sleep(0.002)
        return False

    def _is_ours(self) -> bool:
        content = None if self.path is None else _read(self.path)
        return content is not None and content.get("token") == self.token

    def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.path is not None and self._is_ours():
            self.path.unlink(missing_ok=True)
        self.path = None

    def update(self, **note: Any) -> None:
        """What the next heartbeat says of the job, such as its progress."""
        self.note.update(note)

    def holder(self) -> dict[str, Any] | None:
        """What the living holder says (pid, host, since, its note), or None."""
        for _, path in sorted(self._files(), reverse=True):
            if self._alive(path):
                return _read(path) or {}
        return None

    def _files(self) -> list[tuple[int, Path]]:
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [(int(m[1]), self.folder / name) for name in names if (m := re.fullmatch(r"lock\.(\d{1,18})", name))]

    def _highest(self) -> tuple[int, Path | None]:
        return max(self._files(), default=(0, None), key=lambda item: item[0])

    def _alive(self, path: Path, now: float | None = None) -> bool:
        """Whether the holder that wrote `path` lives. `now` is the time by the file system's clock."""
        try:
            age = (time.time() if now is None else now) - path.stat().st_mtime
        except OSError:
            return False
        content = _read(path)
        if content is None:  # unreadable: truncated by a crash of the machine, or just being written
            return abs(age) < 10 * BEAT
        if content.get("machine") == machine():
            start = process_start(content["pid"])
            return start is not None and (start == content.get("start") or "unknown" in (start, content.get("start")))
        return abs(age) < self.timeout  # from the future is no heartbeat: a living holder's comes with the next

    def _content(self) -> str:
        pid = os.getpid()
        holder = {"pid": pid, "start": process_start(pid), "machine": machine(), "host": socket.gethostname()}
        return json.dumps({**self.note, **holder, "token": self.token}).ljust(SIZE)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self.write_note()

    def write_note(self) -> None:
        """Beat now. A file that is gone stays gone: then the lock was taken over. What is no file any more is another's
        doing, and is not written to."""
        with self._write_lock, contextlib.suppress(OSError):
            if self.path is not None:
                descriptor = files.open_plain(self.path, os.O_WRONLY)
                content = self._content().encode()
                try:
                    os.pwrite(descriptor, content, 0)
                    os.ftruncate(descriptor, len(content))
                finally:
                    os.close(descriptor)


def _create(temporary: Path, mine: Path) -> bool:
    """Make the file `mine`, whole, unless it exists; returns whether it was made."""
    try:
        os.link(temporary, mine)
    except FileExistsError:
        return False
    except OSError:  # no hard links on this file system: readers may see it half written for a moment
        content = temporary.read_text()
        try:
            with mine.open("x") as file:
                file.write(content)
        except FileExistsError:
            return False
        except OSError:  # a full disk: half a lock would be taken for one that is just being written
            mine.unlink(missing_ok=True)
            raise
    return True


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(files.read_file(path) or b"")
    except (OSError, ValueError, RecursionError):
        return None
    return None if mismatch(value, HOLDER) else value


def _remove(path: Path) -> None:
    """Remove a lock's file; a folder of that name is no lock, and stays."""
    with contextlib.suppress(IsADirectoryError, PermissionError):
        path.unlink(missing_ok=True)
