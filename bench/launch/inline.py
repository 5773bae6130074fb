"""Everything in this process, one job after the other: for looking closely, and the reference for all launchers."""

import signal
import time
from pathlib import Path

from bench.jobs.model import Job
from bench.launch import one_job, ranks
from bench.launch.devices import device_sets
from bench.launch.request import Request
from bench.worker.outcome import Outcome, Stop

LOOK = 0.2  # seconds between looks at jobs that another process holds


def launch(request: Request) -> bool:
    """Do all jobs. Returns whether it was interrupted."""
    schedule, progress, stop = request.schedule, request.progress, Stop()
    before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        while schedule.open and not stop.requested:
            job = schedule.next()
            if job is None:
                time.sleep(LOOK)
                continue
            progress.show()
            outcome = do(job, schedule.store.root, stop)
            schedule.finish(job.id, outcome)
            progress.finished(job, outcome)
        if stop.requested:
            schedule.stop("interrupted")
        return stop.requested
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def do(job: Job, root: Path, stop: Stop) -> Outcome:
    """Do a job; a process of its own gets a GPU only where the job takes several."""
    each = ranks.count(job)
    sets = device_sets(each, job.local.get("device", "auto")) if each > 1 else []
    return one_job.do(job, root, gpus=sets[0] if sets else [], stop=stop)
