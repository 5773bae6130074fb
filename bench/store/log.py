"""Logs of events: JSON lines that several processes append to, and whose last one a crash may have cut."""

import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench import files

EVENT = {"event": str, "time?": float}


def append(path: Path, event: str, /, **values: Any) -> None:
    """Append one line, in one write; its folder is made if need be. Raises OSError where it cannot be written, or is no
    plain file: a link may lead anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"event": event, "time": round(time.time(), 3), **values}, default=str) + "\n"
    descriptor = files.open_plain(path, os.O_APPEND | os.O_CREAT | os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line that a crash cut
            line = "\n" + line
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the events of a log, none where there is no log; a line cut by a crash is left out."""
    events = []
    try:
        text = (files.read_file(path) or b"").decode(errors="replace")
    except (OSError, ValueError):
        return []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not files.mismatch(event, EVENT):
            events.append(event)
    return events


def count(path: Path, event: str, /, *, since: Collection[str] = (), after: float = 0.0, **values: Any) -> int:
    """Count the events of a name.

    since:  names of events, of which the last one starts the count anew.
    after:  seconds since 1970; earlier events do not count.
    values: what else the events have to say.
    """
    number = 0
    for entry in read(path):
        if entry.get("event") in since:
            number = 0
        elif entry.get("event") == event and entry.get("time", 0.0) >= after:
            number += all(entry.get(name) == value for name, value in values.items())
    return number
