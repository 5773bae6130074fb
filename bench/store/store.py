"""The results directory as a whole."""

from pathlib import Path

from bench import files
from bench.errors import UsageError
from bench.jobs.model import Job
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
