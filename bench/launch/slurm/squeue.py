"""What the scheduler says, asked once for all jobs."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

_ALIVE = """
PENDING RUNNING SUSPENDED REQUEUED REQUEUE_HOLD REQUEUE_FED RESIZING COMPLETING CONFIGURING STAGE_OUT SIGNALING STOPPED
SPECIAL_EXIT
"""
ALIVE = frozenset(_ALIVE.split())
RUNNING = frozenset(("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"))
FIELDS = "%i|%T|%r|%k"


@dataclass(frozen=True)
class Element:
    """A job of Slurm's. state: in capitals, as squeue shows it."""

    id: str
    state: str
    reason: str = ""
    token: str = ""

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def running(self) -> bool:
        return self.state in RUNNING


def job_name(suite: str) -> str:
    """What all of a suite's jobs are called in Slurm."""
    return f"bench-{suite}"


def squeue(suite: str) -> dict[str, Element] | None:
    """All elements of a suite that Slurm still knows, also ended ones; None where it does not answer."""
    out = ask("squeue", "-h", "-r", "-t", "all", "-n", job_name(suite), "-o", FIELDS)
    if out is None:
        return None
    rows = [line.split("|") for line in out.splitlines() if line.count("|") >= 3]
    return {row[0]: Element(row[0], row[1], row[2], row[3]) for row in rows}


def sacct(ids: Iterable[str]) -> dict[str, Element]:
    """What accounting says of elements that squeue has forgotten; nothing where there is no accounting."""
    masters = sorted({id.partition("_")[0] for id in ids})
    out = ask("sacct", "-X", "-n", "-P", "-j", ",".join(masters), "-o", "JobID,State") if masters else None
    rows = [line.split("|") for line in (out or "").splitlines() if "|" in line]
    return {id: Element(id, row[1].split()[0]) for row in rows if row[1] for id in _single(row[0])}


def _single(id: str) -> list[str]:
    """`7_[0-2,5%4]`, as waiting elements are shown together, is 7_0, 7_1, 7_2 and 7_5."""
    match = re.fullmatch(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]", id)
    if match is None:
        return [id]
    ranges = [part.partition("-") for part in match[2].split(",")]
    return [f"{match[1]}_{i}" for first, _, last in ranges for i in range(int(first), int(last or first) + 1)]


def scancel(elements: list[str], state: str | None = None) -> None:
    """End elements, all of their arrays' at once, or only those in a state (`PENDING`)."""
    ids = sorted({element.partition("_")[0] for element in elements})
    only = [f"--state={state}"] if state else []
    for first in range(0, len(ids), 500):
        subprocess.run(["scancel", *only, *ids[first : first + 500]], check=True, capture_output=True, timeout=120)


def max_array_size() -> int:
    """Elements that an array may have on this cluster."""
    match = re.search(r"MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config") or "")
    return max(1, int(match[1])) if match else 1000


def ask(*command: str, timeout: float = 60) -> str | None:
    """Return what a command of Slurm's prints, or None where there is none, it fails or takes more than `timeout` s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
