"""What a job is."""

from dataclasses import dataclass
from typing import Any

KINDS = ("ancestor", "learngene", "start", "run")
STATES = ("pending", "running", "done", "failed", "skipped", "interrupted")


@dataclass
class Job:
    """A unit of work. `settings` make its identity; `local` (paths and the like) do not."""

    kind: str
    id: str
    settings: dict[str, Any]
    needs: tuple[str, ...]  # identities of jobs that must be done before
    local: dict[str, Any]
