"""Run by the batch script after a worker that did not end by itself (killed, crashed, out of memory): says so in the
files of the jobs that went with it, or has the allocation started again where the suite's `retries` allow it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.launch.slurm import events, halt
from bench.launch.slurm.record import Submission
from bench.plan import Job
from bench.store import Store
from bench.worker import slurm_job

MEMORY = ("exceeded memory limit", "oom-kill", "oom_kill", "Out Of Memory")
TAIL = 20_000  # bytes of the log's end that are searched for the reason


def main(folder: str, array: str, code: str) -> None:
    submission = Submission.read(Path(folder))
    element = slurm_job().get("slurm", "")
    past = [event["event"] for event in events.read(submission.folder, element)]
    if past[-1:] == ["requeue"]:
        return  # it asked for its end
    jobs, _ = submission.group(int(array), int(os.environ.get("SLURM_ARRAY_TASK_ID", 0)))
    kind, message = _why(submission.log(element), int(code))
    allowed = submission.data["arrays"][int(array)]["retries"][kind]
    before = past.count(kind)
    events.append(submission.folder, element, kind, code=int(code))
    store = Store(Path(submission.data["root"]))
    open_jobs = [job for job in jobs if store.job(job).result() is None and store.job(job).failure() is None]
    if open_jobs and before < allowed:
        print(f"{message}; started again ({before + 1} of {allowed})", flush=True)
        events.append(submission.folder, element, "requeue")
        subprocess.run(["scontrol", "requeue", element])  # not SLURM_JOB_ID: the last element has its array's
        time.sleep(600)  # until Slurm ends this script
        return
    for job in open_jobs:
        _fail(store, job, kind, message)
        halt.fail_fast(submission, f"{job.kind} {job.id}")


def _why(log: Path, code: int) -> tuple[str, str]:
    """Slurm tells the reason in the log only."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            tail = file.read().decode(errors="replace")
    except OSError:
        tail = ""
    if any(sign in tail for sign in MEMORY):
        return "memory", "out of memory: Slurm killed the allocation; ask for more with slurm.memory"
    return "died", f"the allocation's worker ended with status {code}; see {log}"


def _fail(store: Store, job: Job, kind: str, message: str) -> None:
    """Jobs that had begun went down with it; the others were never tried."""
    folder = store.job(job)
    if folder.started() and folder.result() is None:
        folder.append_log("failed", error=message, kind=kind)
        folder.write_failure({"error": message, "traceback": "", "kind": kind, "time": time.time()})


if __name__ == "__main__":
    main(*sys.argv[1:])
