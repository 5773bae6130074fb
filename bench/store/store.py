"""The results directory as a whole."""

import os
from pathlib import Path

from bench.errors import UsageError
from bench.plan import Job
from bench.store.job_dir import JobDir


class Store:
    """`<root>/jobs/<kind>/<identity>/` holds jobs, shared by all suites; `<root>/<suite>/` the tables of one suite."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def job(self, job: Job) -> JobDir:
        return self.job_dir(job.kind, job.id)

    def job_dir(self, kind: str, id: str) -> JobDir:
        return JobDir(self.root / "jobs" / kind / id)

    def suite(self, name: str) -> Path:
        return self.root / name

    def require_writable(self) -> None:
        """Raises UsageError, before anything starts, where results could not be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable.{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"--results {self.root}: cannot be written: {error.strerror}; expected a writable folder"
            ) from None
