"""What happened to each element, as JSON lines beside Slurm's logs: started, warned, requeued, ended."""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from bench.store.job_dir import read_log


def append(folder: Path, element: str, event: str, **values: Any) -> None:
    """A full disk is no reason to stop: this is told, not relied on."""
    line = json.dumps({"event": event, "time": round(time.time(), 3), **values}) + "\n"
    with contextlib.suppress(OSError):
        path = folder / "events" / f"{element}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def read(folder: Path, element: str) -> list[dict[str, Any]]:
    return read_log(folder / "events" / f"{element}.jsonl")


def since_checkpoint(log: Path, event: str) -> int:
    """How often something happened to a job since it last saved, or failed."""
    count = 0
    for entry in read_log(log):
        count = 0 if entry.get("event") in ("checkpoint", "failed", "done") else count + (entry.get("event") == event)
    return count


def in_vain(log: Path, since: float) -> float:
    """Seconds for which a job has worked, since then, without saving; 0 where it was not started, or has saved."""
    began = None
    for entry in read_log(log):
        if entry.get("event") == "start":
            began = entry.get("time", 0.0)
        elif entry.get("event") == "checkpoint":
            began = None
    return time.time() - began if began is not None and began >= since else 0.0
