"""What is kept of one job, and what can be read off it."""

import json
import os
import time
from pathlib import Path
from typing import Any

from bench import files
from bench.store.lock import Lock, is_lock


class JobDir:
    """`settings.json`, `log.jsonl`, `result.json` when done, `failure.json` when failed, the job's artifacts, and,
    while it runs, `checkpoint.pt` and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.jsonl"
        self.checkpoint = path / "checkpoint.pt"

    def result(self) -> dict[str, Any] | None:
        """The result, or None where the job is not done. Raises ValueError for a damaged one."""
        return files.read_json(self.path / "result.json")

    def done(self) -> bool:
        """Whether there is a whole result: by its end, without reading it, so that a changed middle goes unnoticed."""
        return files.is_whole(self.path / "result.json")

    def names(self) -> set[str]:
        """What lies in the folder."""
        try:
            return set(os.listdir(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def failure(self) -> dict[str, Any] | None:
        try:
            return files.read_json(self.path / "failure.json")
        except ValueError:
            return {"error": "failed; its failure.json is damaged", "kind": "unknown"}

    def started(self) -> bool:
        return self.log.exists()

    def lock(self) -> Lock:
        return Lock(self.path)

    def write_settings(self, settings: dict[str, Any]) -> None:
        files.write_bytes(self.path / "settings.json", (json.dumps(settings, indent=1) + "\n").encode())

    def write_result(self, result: dict[str, Any], artifacts: list[str]) -> None:
        """Make the job done: its result, with size and checksum of each artifact, appears in one step."""
        described = {}
        for name in artifacts:
            path = self.path / name
            stat = path.stat()
            described[name] = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": files.sha256(path)}
        files.write_json(self.path / "result.json", result | {"artifacts": described})
        (self.path / "failure.json").unlink(missing_ok=True)
        self.checkpoint.unlink(missing_ok=True)

    def write_failure(self, failure: dict[str, Any]) -> None:
        files.write_json(self.path / "failure.json", failure)

    def clear_failure(self) -> None:
        (self.path / "failure.json").unlink(missing_ok=True)

    def append_log(self, event: str, **values: Any) -> None:
        """One line of the log, in one write."""
        self.path.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"event": event, "time": round(time.time(), 3), **values}, default=str) + "\n"
        descriptor = os.open(self.log, os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line that a crash cut
                line = "\n" + line
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def damage(self) -> str | None:
        """What is wrong with a done job's files, or None. Content is hashed only where the file's time changed."""
        try:
            result = self.result()
        except ValueError as error:
            return str(error)
        for name, expected in (result or {}).get("artifacts", {}).items():
            path = self.path / name
            try:
                stat = path.stat()
            except OSError:
                return f"{path}: missing"
            if stat.st_size != expected["bytes"]:
                return f"{path}: {stat.st_size} bytes instead of {expected['bytes']}"
            if stat.st_mtime_ns != expected["mtime_ns"] and files.sha256(path) != expected["sha256"]:
                return f"{path}: its content does not match its checksum"
        return None

    def set_aside(self, *, locked: bool = False) -> Path | None:
        """Move a damaged job's files away, so that it is done anew. Returns where they are now, or None where another
        process is at it. `locked`: the caller holds the lock."""
        lock = None if locked else self.lock()
        if lock is not None and not lock.acquire():
            return None
        try:
            if self.damage() is None:
                return None
            aside = files.unused(self.path, "damaged")
            aside.mkdir()
            for entry in self.path.iterdir():
                if not is_lock(entry.name):
                    os.replace(entry, aside / entry.name)
            return aside
        finally:
            if lock is not None:
                lock.release()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The events of a log; a line cut by a crash is left out."""
    events = []
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
