"""Executes one job: takes its lock, does its work, and leaves a result or a failure. Idempotent."""

import contextlib
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.jobs import Job, description_of
from bench.provenance import provenance
from bench.store import JobDir, Store, log
from bench.store.lock import Lock
from bench.train import cost
from bench.worker.outcome import Outcome, Stop, fail, failure_of
from bench.worker.process import (
    choose_device,
    deterministic,
    keep_freed,
    peak_memory,
    reset_peak_memory,
    slurm_job,
)

if TYPE_CHECKING:
    from bench.train.group import Group


def execute(
    job: Job,
    root: Path,
    *,
    stop: Stop | None = None,
    shared_by: int = 1,
    device: str | None = None,
    group: "Group | None" = None,
) -> Outcome:
    """Do a job unless it is done. `shared_by` runs share the device; `device` overrides the suite's choice.

    Returns at once with `busy` when another living process holds the job. Whatever goes wrong inside the job is its
    failure, with the traceback in its log; only KeyboardInterrupt and exit pass through.

    group: the processes that do the job together, all by this function. The first of them decides whether there is
        something to do, holds the lock and writes; what the others write is thrown away. A failure is only returned:
        whoever started them knows which one was the cause.
    """
    folder = Store(root).job(job)
    first = group is None or group.rank == 0
    stop = stop or Stop()
    lock = folder.lock()
    lock.update(**slurm_job())
    try:
        refused = _take(job, folder, lock) if first else None
        if group is not None:
            refused = from_first(group, refused)
        if refused is not None:
            return refused
        with contextlib.ExitStack() as stack:
            if not first:
                folder = JobDir(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-rank-"))))
            outcome = _work(job, root, folder, lock, stop, shared_by, device, group)
        if group is not None and outcome.state in ("done", "interrupted"):
            group.barrier()  # a GPU may still read from the memory of one that is ready to leave
        return outcome
    except Exception as error:
        outcome = failure_of(error)
        return fail(folder, outcome) if group is None else outcome
    finally:
        lock.release()


def _take(job: Job, folder: JobDir, lock: Lock) -> Outcome | None:
    """Take the lock and begin, or say why not."""
    if finished(folder):
        return Outcome("done", kind="before")
    if folder.linked:
        return Outcome("failed", folder.linked, kind="error")
    if not lock.acquire():
        return Outcome("busy")
    if finished(folder, locked=True):
        return Outcome("done", kind="before")
    folder.clear_failure()
    folder.write_settings({"kind": job.kind, "id": job.id, "settings": job.settings, "local": job.local})
    return None


def from_first(group: "Group", refused: Outcome | None) -> Outcome | None:
    """What the first process decided."""
    value = group.broadcast(refused.to_dict() if refused else None)
    return Outcome.from_dict(value) if value else None


def finished(folder: JobDir, *, locked: bool = False) -> bool:
    """Whether the result is there and whole; damaged ones are set aside, so that the job is done anew.

    `locked`: the caller holds the job's lock.
    """
    trouble = folder.damage()
    if trouble is None:
        return folder.done()
    folder.set_aside(locked=locked)
    return False


def _work(
    job: Job,
    root: Path,
    folder: JobDir,
    lock: Lock,
    stop: Stop,
    shared_by: int,
    device: str | None,
    group: "Group | None",
) -> Outcome:
    # not above: what starts and follows jobs does without torch
    import torch

    from bench.jobs.parts.artifacts import ArtifactDamaged
    from bench.jobs.parts.context import Context
    from bench.randomness import seed_all
    from bench.train.session import Interrupted, Session, share_compiled

    started = time.time()
    keep_freed()
    reset_peak_memory()
    restarts = log.count(folder.log, "start", since=("failed", "done"))
    folder.append_log("start", pid=os.getpid(), host=socket.gethostname(), restarts=restarts, **slurm_job())
    description = description_of(job)
    computing = description.computing
    deterministic(computing.threads)
    where = torch.device(choose_device(device or computing.device))
    share_compiled(root)
    session = Session(
        folder,
        where,
        checkpoint_seconds=computing.checkpoint_seconds,
        progress=lambda **note: lock.update(**note),
        group=group,
    )
    stop.watch(session)
    seed_all(description.seed, job.kind)
    context = Context(description, Store(root), session)
    try:
        result, artifacts = description.work(context)
    except Interrupted as error:
        folder.append_log("interrupted", message=str(error))
        return Outcome("interrupted", str(error))
    except ArtifactDamaged as error:
        folder.append_log("waiting", message=str(error))
        return Outcome("damaged", str(error), (error.kind, error.id))
    finally:
        context.close()
    if session.group.rank > 0:
        return Outcome("done")
    if not lock.held():
        return Outcome("busy", "the lock was taken over while this process was stopped")
    result |= {
        "kind": job.kind,
        "id": job.id,
        "cost": cost.total(session.costs).as_dict(),
        "needs": result.get("needs", sorted(session.seen)),
        "restarts": restarts,
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
        "peak_memory_bytes": peak_memory(where),
        "workers_on_device": shared_by,
        "devices": session.group.world,
        **session.for_result(),
        "training": session.training(),
        **provenance(where, computing.threads),
    }
    folder.write_result(result, artifacts)
    folder.append_log("done")
    return Outcome("done")
