"""Run by the batch script after a worker that did not end by itself (killed, crashed, out of memory).

It has the allocation started again where the suite's `retries` allow it. Where they do not, the jobs that were being
done have failed, and the allocation is started again for the others, if there are any.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.launch.slurm.submission import events
from bench.launch.slurm.submission.record import Submission
from bench.store import JobDir, Store
from bench.worker.process import slurm_job

MEMORY = ("exceeded memory limit", "oom-kill", "oom_kill", "Out Of Memory")
TAIL = 20_000  # bytes of the log's end that are searched for the reason


def main(folder: str, array: str, code: str) -> None:
    submission = Submission.read(Path(folder))
    element = slurm_job().get("slurm", "")
    past = [event["event"] for event in events.read(submission.folder, element)]
    if past[-1:] == ["requeue"]:
        return  # it asked for its end
    jobs, _ = submission.group(int(array), int(os.environ.get("SLURM_ARRAY_TASK_ID", 0)))
    store = Store(Path(submission.data["root"]))
    waiting = [job for job in jobs if not _over(submission, store.job(job))]
    at_work = [job for job in waiting if _was_at_work(store.job(job))]
    kind, message = _why(submission.log(element), int(code), len(at_work))
    allowed = submission.data["arrays"][int(array)]["retries"][kind]
    before = past.count(kind)
    events.append(submission.folder, element, kind, code=int(code))
    if waiting and before < allowed:
        _again(submission, element, f"{message}; started again ({before + 1} of {allowed})")
        return
    for job in at_work or [job for job in waiting if store.job(job).started()]:
        store.job(job).fail(message, kind=kind)
        submission.fail_fast(f"{job.kind} {job.id}")
    if at_work and len(at_work) < len(waiting) and not submission.halted:
        _again(submission, element, f"{message}; started again for its other jobs")


def _over(submission: Submission, folder: JobDir) -> bool:
    return folder.done() or submission.failed(folder)


def _was_at_work(folder: JobDir) -> bool:
    """Whether a job went down with its process: the lock is there, its holder is not."""
    return folder.contents().lock and folder.lock().holder() is None


def _again(submission: Submission, element: str, why: str) -> None:
    print(why, flush=True)
    events.append(submission.folder, element, "requeue")
    subprocess.run(["scontrol", "requeue", element])  # not SLURM_JOB_ID: the last element has its array's
    time.sleep(600)  # until Slurm ends this script


def _why(log: Path, code: int, jobs: int) -> tuple[str, str]:
    """Slurm tells the reason in the log only."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            tail = file.read().decode(errors="replace")
    except OSError:
        tail = ""
    tail = tail.rpartition("Starting with JobEnvironment")[2]  # as of the last start: the log goes on
    if any(sign in tail for sign in MEMORY):
        several = f" with {jobs} jobs in it" if jobs > 1 else ""
        return "memory", f"out of memory: Slurm killed the allocation{several}; ask for more with slurm.memory"
    return "died", f"the allocation's worker ended with status {code}; see {log}"


if __name__ == "__main__":
    main(*sys.argv[1:])
