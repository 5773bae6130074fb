"""A lock that works on shared file systems and is never held by the dead.

The lock of a job is the file `lock.N` with the highest N. Taking it creates the next number by link(2), which succeeds
for exactly one process and shows the file with its whole content. The holder rewrites its file as a heartbeat. A
holder is dead when its process is gone (same host and boot), or when its file was not touched for `timeout` seconds
(another host).
"""

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

TIMEOUT = 120.0  # seconds without a heartbeat after which a holder on another host counts as dead
BEAT = 2.0  # seconds between heartbeats


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
    """When a process started, in clock ticks, or None where it is gone (or a zombie): tells a reused pid apart."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, IndexError):
        pass
    try:  # no /proc on this system
        os.kill(pid, 0)
        return "unknown"
    except ProcessLookupError:
        return None
    except PermissionError:
        return "unknown"


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
        number, path = self._highest()
        if path is not None and self._alive(path):
            return False
        mine = self.folder / f"lock.{number + 1}"
        if not self._create(mine):
            return False
        if self._highest()[1] != mine:  # a later number appeared since we looked
            mine.unlink(missing_ok=True)
            return False
        self.path = mine
        for n, old in self._files():
            if n <= number:
                old.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._thread.start()
        return True

    def held(self) -> bool:
        """Whether the lock is still ours: another may have taken it over while this process was stopped."""
        if self.path is None:
            return False
        try:
            return json.loads(self.path.read_text()).get("token") == self.token and self._highest()[1] == self.path
        except (OSError, ValueError):
            return False

    def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self.path is not None and self.held():
            self.path.unlink(missing_ok=True)
        self.path = None

    def update(self, **note: Any) -> None:
        """What the next heartbeat says of the job, such as its progress."""
        self.note.update(note)

    def holder(self) -> dict[str, Any] | None:
        """What the living holder says (pid, host, since, its note), or None."""
        path = self._highest()[1]
        if path is None or not self._alive(path):
            return None
        return _read(path) or {}

    def _create(self, mine: Path) -> bool:
        temporary = self.folder / f".lock.{self.token}.tmp"
        temporary.write_text(self._content())
        try:
            os.link(temporary, mine)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _files(self) -> list[tuple[int, Path]]:
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [(int(m[1]), self.folder / name) for name in names if (m := re.fullmatch(r"lock\.(\d+)", name))]

    def _highest(self) -> tuple[int, Path | None]:
        return max(self._files(), default=(0, None), key=lambda item: item[0])

    def _alive(self, path: Path) -> bool:
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return False
        content = _read(path)
        if content is None:  # unreadable: truncated by a crash of the machine
            return age < 10 * BEAT
        if content.get("machine") == machine():
            return process_start(content["pid"]) == content["start"]
        return age < self.timeout

    def _content(self) -> str:
        pid = os.getpid()
        return json.dumps(
            {"pid": pid, "start": process_start(pid), "machine": machine(), "host": socket.gethostname(),
             "token": self.token, **self.note}
        )  # fmt: skip

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            self.write_note()

    def write_note(self) -> None:
        """Beat now. A file that is gone stays gone: then the lock was taken over."""
        path = self.path
        with self._write_lock:
            if path is None or not path.exists():
                return
            temporary = path.with_name(f".{path.name}.{self.token}.tmp")
            try:
                temporary.write_text(self._content())
                os.replace(temporary, path)
            except OSError:
                temporary.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text())
        return value if isinstance(value, dict) and "pid" in value else None
    except (OSError, ValueError):
        return None
