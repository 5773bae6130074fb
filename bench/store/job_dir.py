"""What is kept of one job, and what can be read off it. The only module that names a job's files."""

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import files
from bench.store import log
from bench.store.lock import Lock, is_lock
from bench.store.result_shapes import FAILED, RESULTS

SETTINGS, LOG, RESULT, FAILURE = "settings.json", "log.jsonl", "result.json", "failure.json"
CHECKPOINT, OUTPUT = "checkpoint.pt", "output.txt"
NAMES = "|".join(map(re.escape, (SETTINGS, LOG, RESULT, FAILURE, CHECKPOINT, OUTPUT)))
# what `set_aside` moves: these files, artifacts, and what was being written of them
OWN = re.compile(rf"\.?({NAMES}|\w+\.safetensors)(\.\d+)?(\.[0-9a-f]{{8}}\.tmp)?(\.damaged-[0-9a-f-]+)?")


@dataclass(frozen=True)
class Contents:
    """Which files a job's folder holds. anything: whether it holds any. bytes: of all of them, where they were asked
    for."""

    anything: bool
    log: bool
    result: bool
    failure: bool
    lock: bool
    bytes: int = 0
    weights: bool = True  # whether there is an artifact


class JobDir:
    """`settings.json`, `log.jsonl`, `result.json` when done, `failure.json` when failed, the job's artifacts, what it
    printed as `output.txt`, and, while it runs, `checkpoint.pt` and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        return self.path / LOG

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    @property
    def output(self) -> Path:
        return self.path / OUTPUT

    def result(self) -> dict[str, Any] | None:
        """Return the result, or None where the job is not done. Raises ValueError for a damaged one, and for one that
        does not say what those of its kind say."""
        path = self.path / RESULT
        result = files.read_json(path, RESULTS.get(self.path.parent.name, dict))
        for name in (result or {}).get("artifacts", {}):
            if os.path.basename(name) != name or name in ("", ".", ".."):
                raise ValueError(f"{path}: an artifact is called {name!r}, expected the name of a file beside it")
        return result

    def done(self) -> bool:
        """Tell whether there is a whole result, by its end and without reading it: what else is wrong with it, or with
        the artifacts, `damage` tells. One whose artifacts were removed and are needed again (`want`) is not."""
        return files.is_whole(self.path / RESULT)

    def contents(self, *, measure: bool = False) -> Contents:
        """List the folder once. measure: with the sizes of files, which takes a look at each."""
        names, size = set(), 0
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    names.add(entry.name)
                    with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                        size += entry.stat(follow_symlinks=False).st_size if measure else 0
        except (FileNotFoundError, NotADirectoryError):
            pass
        return Contents(bool(names), LOG in names, RESULT in names, FAILURE in names, any(map(is_lock, names)), size,
                        any(name.endswith(".safetensors") for name in names))  # fmt: skip

    def failure(self) -> dict[str, Any] | None:
        """Return how the job last failed, or None where it did not."""
        try:
            return files.read_json(self.path / FAILURE, FAILED)
        except ValueError:
            return {"error": f"failed; its {FAILURE} is damaged", "kind": "unknown"}

    @property
    def linked(self) -> str:
        """Why nothing may be written here, where the folder is a link, which may lead to a stranger's; else empty."""
        if not self.path.is_symlink():
            return ""
        return f"{self.path} is a link; expected a folder of its own: remove it, or put there what it leads to"

    def open_output(self) -> int:
        """Return a descriptor of the file for what the job prints, to append to. Raises OSError, also for a link."""
        self.path.mkdir(parents=True, exist_ok=True)
        return files.open_plain(self.output, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def started(self) -> bool:
        return self.log.exists()

    def lock(self) -> Lock:
        return Lock(self.path)

    def settings(self) -> dict[str, Any]:
        """Return what the job was planned as: kind, id, settings and local. Raises ValueError where that is damaged."""
        text = files.read_file(self.path / SETTINGS)
        try:
            value = json.loads(text or b"")
        except (ValueError, RecursionError):
            raise ValueError(f"{self.path / SETTINGS}: {'missing' if text is None else 'damaged'}") from None
        if trouble := files.mismatch(value, {"kind": str, "id": str, "settings": dict, "local": dict}):
            raise ValueError(f"{self.path / SETTINGS}: {trouble}")
        return value

    def write_settings(self, settings: dict[str, Any]) -> None:
        files.write_bytes(self.path / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())

    def write_result(self, result: dict[str, Any], artifacts: list[str]) -> None:
        """Make the job done: its result, with size and checksum of each artifact, appears in one step."""
        described = {name: files.described(self.path / name) for name in artifacts}
        files.write_json(self.path / RESULT, self._after_cleaning(result, described))
        self.clear_failure()
        self.checkpoint.unlink(missing_ok=True)

    def clean(self, names: Collection[str]) -> None:
        """Remove artifacts of a done job, of which the caller holds the lock. The result says so first; it stays, and
        the job stays done, until another one needs them (`want`)."""
        result = self.result()
        assert result is not None
        gone = {name: result["artifacts"][name] for name in names if name in result["artifacts"]}
        left = {name: facts for name, facts in result["artifacts"].items() if name not in gone}
        cleaned = result.get("cleaned", {}) | gone
        files.write_json(self.path / RESULT, result | {"artifacts": left, "cleaned": cleaned})
        for name in cleaned.keys() - left.keys():
            (self.path / name).unlink(missing_ok=True)

    def want(self) -> bool:
        """Have a job that was cleaned count as not done, so that it is made again. Its result stays until then: it has
        another end, which `done` does not take for one. Returns whether the job is to be made again."""
        if not (self.result() or {}).get("cleaned"):
            return False
        lock = self.lock()
        if not lock.acquire():
            return True  # somebody makes it again, or cleans it
        try:
            text = files.read_file(self.path / RESULT) or b""
            if (self.result() or {}).get("cleaned") and self.done():
                files.write_bytes(self.path / RESULT, text + b"\n")
            return not self.done()
        finally:
            lock.release()

    def _after_cleaning(self, result: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
        """The result to write. Of a job that was cleaned and made again it is that of before, where the files are
        equal: then nothing has changed; where they are not, it is the new one, which names what it `replaced`."""
        try:
            before = self.result() or {}
        except ValueError:
            before = {}
        cleaned = before.pop("cleaned", {})
        other = [name for name in cleaned if cleaned[name]["sha256"] != described.get(name, {}).get("sha256")]
        if other:
            self.append_log("warning", message=f"made again, {', '.join(other)} is not what bench clean had removed")
            return result | {"artifacts": described, "replaced": cleaned}
        return (before if cleaned else result) | {"artifacts": described}

    def write_described(self, result: dict[str, Any]) -> None:
        """Make the job done by a result that describes its artifacts already, as that of the job it was copied from."""
        files.write_json(self.path / RESULT, result)

    def copy_artifacts(self, target: "JobDir") -> None:
        """Copy all but settings, result and lock, each in one step and with its times, which results name."""
        for path in sorted(self.path.iterdir()):
            if is_lock(path.name) or path.name in (SETTINGS, RESULT) or path.is_symlink() or not path.is_file():
                continue
            temporary = files.temporary(target.path / path.name)
            try:
                files.copy(path, temporary)
                os.replace(temporary, target.path / path.name)
            finally:
                temporary.unlink(missing_ok=True)

    def copy_whole(self, target: "JobDir") -> None:
        """Copy a done job into a folder that nobody else uses. Links are left out: they may lead to a stranger's."""
        target.path.mkdir(parents=True)
        for path in sorted(self.path.iterdir()):
            if OWN.fullmatch(path.name) and path.name != CHECKPOINT and path.is_file() and not path.is_symlink():
                files.copy(path, target.path / path.name)

    def take(self, whole: "JobDir") -> None:
        """Move a done job's files into this folder, of which the caller holds the lock; the result comes last. What an
        attempt of before has logged here is set aside."""
        if self.log.exists():
            os.replace(self.log, files.unused(self.log, "earlier"))
        for path in sorted(whole.path.iterdir(), key=lambda path: path.name == RESULT):
            os.replace(path, self.path / path.name)
        self.clear_failure()
        self.checkpoint.unlink(missing_ok=True)

    def clear_failure(self) -> None:
        try:
            (self.path / FAILURE).unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):
            files.set_aside(self.path / FAILURE)

    def fail(self, message: str, *, kind: str, traceback: str = "") -> str:
        """Write a failure to the log and to its file. Returns the message, which also says where that was not possible:
        then only the launcher tells."""
        failure = {"error": message, "kind": kind, "traceback": traceback}
        try:
            self.append_log("failed", **failure)
            files.write_json(self.path / FAILURE, failure | {"time": time.time()})
        except OSError as full:
            return f"{message} (and the failure could not be written: {full})"
        return message

    def append_log(self, event: str, **values: Any) -> None:
        """Append one line to the log. Raises OSError where it cannot be written."""
        if self.linked:
            raise OSError(errno.ELOOP, self.linked)
        log.append(self.log, event, **values)

    def damage(self, *, thorough: bool = False) -> str | None:
        """Tell what is wrong with a done job's files, or None. Content is hashed only where the file's time changed,
        unless `thorough`."""
        try:
            result = self.result()
        except ValueError as error:
            return str(error)
        for name, expected in (result or {}).get("artifacts", {}).items():
            if trouble := files.changed(self.path / name, expected, thorough=thorough):
                return trouble
        return None

    def set_aside(self, *, locked: bool = False) -> Path | None:
        """Move a damaged job's files away, so that it is done anew. Returns where they are now, or None where another
        process is at it, or they are in a folder that is a link. Files that are no job's stay.

        locked: the caller holds the lock.
        """
        if self.linked:
            return None
        lock = None if locked else self.lock()
        if lock is not None and not lock.acquire():
            return None
        try:
            if self.damage() is None:
                return None
            aside = files.unused(self.path, "damaged")
            aside.mkdir()
            for entry in self.path.iterdir():
                if OWN.fullmatch(entry.name):
                    os.replace(entry, aside / entry.name)
            return aside
        finally:
            if lock is not None:
                lock.release()
