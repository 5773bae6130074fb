"""Everything in this process, one job after the other: for looking closely, and the reference for all launchers."""

import signal
import time
from pathlib import Path

from bench.jobs.model import Job
from bench.launch import ranks
from bench.launch.local import device_sets
from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.worker.execute import execute
from bench.worker.outcome import Outcome, Stop


def run(schedule: Schedule, root: Path, progress: Progress) -> bool:
    """Run all jobs. Returns whether it was interrupted."""
    stop = Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        while schedule.open and not stop.requested:
            job = schedule.next()
            if job is None:
                time.sleep(0.2)
                continue
            progress.show()
            outcome = do(job, root, stop)
            schedule.finish(job.id, outcome)
            progress.finished(job, outcome)
        if stop.requested:
            schedule.stop("interrupted")
        return stop.requested
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def do(job: Job, root: Path, stop: Stop) -> Outcome:
    """Here, unless it takes several processes."""
    each = ranks.count(job)
    if each == 1:
        return execute(job, root, stop=stop)
    sets = device_sets(each, job.local.get("device", "auto"))
    return ranks.run(job, root, gpus=sets[0] if sets else [], stop=stop)
