"""Submissions that were ended before their time: by `bench cancel`, or by a failure under `--fail-fast`.

Kept in a file of their own: Slurm forgets what was cancelled while it waited, and an allocation that it starts all the
same, because it was submitted in that moment, has to see that its time is over.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import files
from bench.launch.slurm import squeue

if TYPE_CHECKING:
    from bench.launch.slurm.record import Submission

FILE = "halted.json"


def reason(folder: Path) -> str | None:
    """Why the submission kept in this folder is over, or None where it is not."""
    try:
        return (files.read_json(folder / FILE) or {}).get("reason")
    except ValueError:
        return "stopped"


def note(folder: Path, why: str) -> None:
    """Say that a submission is over. What is said first stays."""
    if reason(folder) is None:
        files.write_json(folder / FILE, {"reason": why, "time": time.time()})


def fail_fast(submission: "Submission", what: str) -> None:
    """Take what waits out of Slurm's queue; what runs starts nothing more, and ends."""
    if not submission.data.get("fail_fast") or reason(submission.folder):
        return
    note(submission.folder, f"not started: --fail-fast, {what} failed")
    fresh = type(submission).read(submission.folder)  # its submitter may have gone on since
    squeue.scancel([array["slurm"] for array in fresh.data["arrays"] if array["slurm"]], "PENDING")
