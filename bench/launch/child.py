"""The forked process of a slot: does the jobs that it is ordered to, one after the other."""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.jobs import Job
from bench.launch import one_job
from bench.launch.devices import visible
from bench.launch.messages import receive, send
from bench.launch.nodes import Nodes
from bench.launch.processes import die_first
from bench.processes import die_with_parent
from bench.store import Store
from bench.worker.outcome import Outcome, Stop


def serve(pool: Connection, parent: int) -> None:
    """Do the jobs that the pool orders and tell it their outcomes, until it orders no more or is gone."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    die_with_parent(parent)
    die_first()
    while not stop.requested:
        try:
            order = receive(pool)
        except EOFError:
            return
        if order is None or not send(pool, obey(order, stop).to_dict()):
            return


def obey(order: dict[str, Any], stop: Stop) -> Outcome:
    """Do one job; whatever it prints goes to a file beside its log."""
    job, root, gpus = Job.from_json(order["job"]), Path(order["root"]), order["gpus"]
    if gpus:  # CUDA reads it when it is first used, which is in this process, or in those that it forks
        os.environ.update(visible(gpus))
    folder = Store(root).job(job)
    if folder.linked:
        return Outcome("failed", folder.linked, kind="error")
    try:
        output = folder.open_output()
    except OSError as error:
        return Outcome("failed", f"{folder.output}: {error.strerror}", kind="error")
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    nodes = Nodes(**order["nodes"]) if order["nodes"] else None
    try:
        return one_job.do(job, root, gpus=gpus, stop=stop, shared_by=order["shared_by"], nodes=nodes)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
