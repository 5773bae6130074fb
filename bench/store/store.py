"""The results directory as a whole."""

import os
from pathlib import Path
from typing import Protocol

from bench import files
from bench.errors import UsageError
from bench.store.job_dir import JobDir


class Identified(Protocol):
    """What has a folder: a job of `bench.jobs`, of which the store needs to know no more."""

    @property
    def kind(self) -> str: ...

    @property
    def id(self) -> str: ...


class Store:
    """`<root>/jobs/<kind>/<identity>/` holds jobs, shared by all suites; `<root>/<suite>/` the tables of one suite."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def job(self, job: Identified) -> JobDir:
        return self.job_dir(job.kind, job.id)

    def job_dir(self, kind: str, id: str) -> JobDir:
        return JobDir(Path(os.path.join(self.root, "jobs", kind, id)))

    def kind(self, kind: str) -> Path:
        """The folder of all jobs of a kind."""
        return self.root / "jobs" / kind

    def ids(self, kind: str) -> set[str]:
        """Identities of the jobs of a kind that have a folder, by one listing."""
        try:
            return set(os.listdir(self.kind(kind)))
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def suite(self, name: str) -> Path:
        return self.root / name

    def require_writable(self, suite: str | None = None) -> None:
        """Raises UsageError, before anything starts, where jobs, or the tables of `suite`, could not be written."""
        try:
            for folder in (self.root / "jobs", *([self.suite(suite)] if suite else [])):
                folder.mkdir(parents=True, exist_ok=True)
                files.write_bytes(folder / ".writable", b"")
                (folder / ".writable").unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            where = getattr(error, "filename", None) or self.root
            message = f"--results {self.root}: cannot be written: {where}: {reason}; expected a writable folder"
            raise UsageError(message) from None
