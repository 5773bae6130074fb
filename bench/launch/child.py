"""The forked process that does one job, and what is made of its death."""

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from bench.plan import Job
from bench.store import Store
from bench.worker import Outcome, Stop, execute, job_from_json


def serve(orders: int, results: int, parent: int) -> NoReturn:
    """Do the jobs ordered on one descriptor and tell their outcomes on the other, until the orders end."""
    code = 1
    try:
        stop = Stop()
        signal.signal(signal.SIGTERM, stop)
        die_with_parent(parent)
        os.close(0)
        with os.fdopen(orders) as lines:
            for line in lines:
                outcome = one(json.loads(line), stop)
                os.write(results, (json.dumps(asdict(outcome)) + "\n").encode())
                if stop.requested:
                    break
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def one(order: dict[str, Any], stop: Stop) -> Outcome:
    """Execute one job; whatever it prints goes to a file beside its log."""
    job, root = job_from_json(order["job"]), Path(order["root"])
    if order.get("gpu") is not None:  # CUDA reads it when it is first used, which is in this process
        os.environ["CUDA_VISIBLE_DEVICES"] = order["gpu"]
    folder = Store(root).job(job).path
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    try:
        return execute(job, root, stop=stop, shared_by=order.get("shared_by", 1))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def die_with_parent(parent: int) -> None:
    """Where the system can (Linux): a pool that is killed stops its children, with a checkpoint."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def died(job: Job, root: Path, status: int) -> Outcome:
    """A child that ended without a word: its job failed, unless its result is there."""
    folder = Store(root).job(job)
    with contextlib.suppress(ValueError):
        if folder.result() is not None:
            return Outcome("done")
    message = describe_death(status)
    with contextlib.suppress(OSError):
        folder.append_log("failed", error=message)
        folder.write_failure({"error": message, "traceback": "", "kind": "died"})
    return Outcome("failed", message)


def describe_death(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"the worker exited with status {os.waitstatus_to_exitcode(status)}; see output.txt beside the log"
    number = os.WTERMSIG(status)
    why = " (out of memory, or killed by hand)" if number == signal.SIGKILL else ""
    return f"the worker was killed by {signal.Signals(number).name}{why}"
