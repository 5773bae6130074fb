"""What happened to each element, as JSON lines beside Slurm's logs: started, warned, requeued, ended."""

import contextlib
import time
from pathlib import Path
from typing import Any

from bench.store import log


def append(folder: Path, element: str, event: str, **values: Any) -> None:
    """A full disk is no reason to stop: this is told, not relied on."""
    with contextlib.suppress(OSError):
        log.append(_path(folder, element), event, **values)


def read(folder: Path, element: str) -> list[dict[str, Any]]:
    return log.read(_path(folder, element))


def _path(folder: Path, element: str) -> Path:
    return folder / "events" / f"{element}.jsonl"


def in_vain(job_log: Path, since: float) -> float:
    """Seconds for which a job has worked, since then, without saving; 0 where it was not started, or has saved."""
    began = None
    for entry in log.read(job_log):
        if entry.get("event") == "start":
            began = entry.get("time", 0.0)
        elif entry.get("event") == "checkpoint":
            began = None
    return time.time() - began if began is not None and began >= since else 0.0
