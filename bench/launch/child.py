"""The forked process that does one job, and what is made of its death."""

import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bench.jobs.model import Job
from bench.store import Store
from bench.worker.execute import execute
from bench.worker.outcome import Outcome, Stop, fail

OUT_OF_MEMORY_SCORE = 500  # of at most 1000: how gladly the system kills a job when memory runs out


def serve(orders: int, results: int, parent: int) -> None:
    """Do the jobs ordered on one descriptor and tell their outcomes on the other, until the orders end."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop)
    die_with_parent(parent)
    die_first()
    os.close(0)
    with os.fdopen(orders) as lines:
        for line in lines:
            outcome = one(json.loads(line), stop)
            os.write(results, (json.dumps(outcome.to_dict()) + "\n").encode())
            if stop.requested:
                break


def leave_after(work: Callable[[], None]) -> NoReturn:
    """What a forked process does, and its end: whatever happens, it never returns to what forked it."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def one(order: dict[str, Any], stop: Stop) -> Outcome:
    """Execute one job; whatever it prints goes to a file beside its log."""
    from bench.launch import ranks

    job, root, gpus = Job.from_json(order["job"]), Path(order["root"]), order.get("gpus", [])
    if gpus:  # CUDA reads it when it is first used, which is in this process, or in those that it forks
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    folder = Store(root).job(job).path
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    shared_by = order.get("shared_by", 1)
    try:
        if ranks.count(job) > 1:
            from bench.launch.nodes import Nodes

            nodes = Nodes(**order["nodes"]) if order.get("nodes") else None
            return ranks.run(job, root, gpus=gpus, stop=stop, shared_by=shared_by, nodes=nodes)
        return execute(job, root, stop=stop, shared_by=shared_by)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Where the system can (Linux): a pool that is killed stops its children, with a checkpoint."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, number)
    if os.getppid() != parent:
        os._exit(1)


def die_first() -> None:
    """Where memory runs out, the system shall take a job rather than who looks after it."""
    with contextlib.suppress(OSError, ValueError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(int(score.read_text()), OUT_OF_MEMORY_SCORE)))


def memory_kills() -> int:
    """How many processes the system has killed for memory: in this control group, or where that is silent, at all."""
    for path in (*_own_group(), "/proc/vmstat"):
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(path).read_text().splitlines()
            return int(next(line.split()[1] for line in lines if line.startswith("oom_kill ")))
    return 0


def _own_group() -> list[str]:
    """Where control groups tell of it: version 2, version 1, each as a container may see it too."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    groups = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    places = [("", groups.get(""), "memory.events"), ("/memory", groups.get("memory"), "memory.oom_control")]
    found = [(base, path, name) for base, path, name in places if path is not None]
    return [f"/sys/fs/cgroup{base}{path}/{name}" for base, own, name in found for path in dict.fromkeys((own, ""))]


def died(job: Job, root: Path, status: int, *, stopped: bool = False, kills: int = 0) -> Outcome:
    """A child that ended without a word: its job failed, unless its result is there. See `death`."""
    folder = Store(root).job(job)
    with contextlib.suppress(ValueError):
        if folder.result() is not None:
            return Outcome("done")
    outcome = death(status, stopped=stopped, kills=kills)
    return fail(folder, outcome) if outcome.state == "failed" else outcome


def death(status: int, *, stopped: bool, kills: int) -> Outcome:
    """What the end of a process means.

    stopped: it had been asked to stop, so what took too long to save was merely interrupted.
    kills:   how many processes the system killed for memory while it worked.
    """
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGTERM)
    if stopped and killed:
        return Outcome("interrupted", "killed before it had saved")
    kind = "memory" if kills and killed else "died"
    message = "out of memory: killed by the system" if kind == "memory" else describe_death(status)
    return Outcome("failed", message, kind=kind)


def describe_death(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"the worker exited with status {os.waitstatus_to_exitcode(status)}; see output.txt beside the log"
    number = os.WTERMSIG(status)
    why = " (out of memory, or killed by hand)" if number == signal.SIGKILL else ""
    return f"the worker was killed by {signal.Signals(number).name}{why}"
