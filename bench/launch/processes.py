"""Processes of jobs: the command that begins one, memory, and what the death of one means."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import bench
from bench.jobs.model import Job
from bench.store import Store
from bench.store.job_dir import OUTPUT
from bench.worker.outcome import Outcome, fail

OUT_OF_MEMORY_SCORE = 500  # of at most 1000: how gladly the system kills a job when memory runs out
STARTER = Path(bench.__file__).parent / "console" / "learngene_bench" / "start.py"


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project, also where the working directory has one of its name."""
    return [sys.executable, "-P", str(STARTER), module, *arguments]


def die_first() -> None:
    """Have the system, where memory runs out, take a job rather than who looks after it."""
    with contextlib.suppress(OSError, ValueError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(int(score.read_text()), OUT_OF_MEMORY_SCORE)))


def memory_kills() -> int:
    """Count the processes that the system has killed for memory: in this control group, or where that is silent, at
    all."""
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
    mounted = [(base, path, name) for base, path, name in places if path is not None]
    return [
        f"/sys/fs/cgroup{base}{path}/{name}" for base, group, name in mounted for path in dict.fromkeys((group, ""))
    ]


def died(job: Job, root: Path, status: int, *, stopped: bool = False, kills: int = 0) -> Outcome:
    """Tell what became of the job of a process that ended without a word: it failed, which is written, unless its
    result is there. See `death`."""
    folder = Store(root).job(job)
    if folder.done():
        return Outcome("done")
    outcome = death(status, stopped=stopped, kills=kills)
    return fail(folder, outcome) if outcome.state == "failed" else outcome


def death(status: int, *, stopped: bool, kills: int) -> Outcome:
    """Tell what the end of a process means.

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
        return f"the worker exited with status {os.waitstatus_to_exitcode(status)}; see {OUTPUT} beside the log"
    number = os.WTERMSIG(status)
    why = " (out of memory, or killed by hand)" if number == signal.SIGKILL else ""
    return f"the worker was killed by {signal.Signals(number).name}{why}"
