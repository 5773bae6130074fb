"""A warm worker: imports torch once, then forks a child for every job, so that a crash or a memory peak stays its own.

Jobs come as JSON lines on standard input, outcomes leave as JSON lines on standard output. End of input, or SIGTERM,
stops the child at its next step, with a checkpoint.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.plan import Job
from bench.store import Store
from bench.worker import Outcome, Stop, execute, job_from_json


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launcher answers Ctrl-C for all
    warm_up()
    pool = Pool(out=os.dup(1))
    os.dup2(2, 1)  # what libraries print is no message
    signal.signal(signal.SIGTERM, lambda *_: pool.stop())
    pool.tell({"ready": True})
    pool.serve()
    return 0


def warm_up() -> None:
    """Import and compute once what every job would otherwise do again."""
    import torch

    import bench.jobs.work  # noqa: F401
    from bench import provenance

    torch.set_num_threads(1)
    provenance.provenance(torch.device("cpu"), 1)


class Pool:
    def __init__(self, out: int) -> None:
        self.out, self.child, self.stopping, self.loaded = out, 0, False, set()
        self.buffer = b""

    def tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self.out, (json.dumps(message) + "\n").encode())

    def stop(self) -> None:
        self.stopping = True
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGTERM)

    def serve(self) -> None:
        while not self.stopping:
            line = self.read_line()
            if line is None:
                return
            order = json.loads(line)
            job = job_from_json(order["job"])
            outcome = self.run(job, Path(order["root"]), order.get("shared_by", 1), order.get("device"))
            self.tell({"id": job.id, **asdict(outcome)})

    def read_line(self) -> str | None:
        while b"\n" not in self.buffer:
            try:
                data = os.read(0, 1 << 16)
            except InterruptedError:
                continue
            if not data or self.stopping:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def run(self, job: Job, root: Path, shared_by: int, device: str | None) -> Outcome:
        self.preload(job)
        results, child_end = os.pipe()
        parent = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            os.close(results)
            child_main(job, root, shared_by, device, child_end, parent)
        os.close(child_end)
        try:
            text = self.collect(results)
            _, status = os.waitpid(self.child, 0)
        finally:
            os.close(results)
            self.child = 0
        if text:
            value = json.loads(text)
            return Outcome(value["state"], value["message"], tuple(value["damaged"]) if value["damaged"] else None)
        return died(job, root, status)

    def collect(self, results: int) -> bytes:
        """What the child says, until it ends; the end of standard input stops it."""
        text, watched = b"", [results, 0]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if 0 in ready:
                data = os.read(0, 1 << 16)
                self.buffer += data
                if not data:
                    watched.remove(0)
                    self.stop()
            if results in ready:
                data = os.read(results, 1 << 16)
                if not data:
                    return text
                text += data

    def preload(self, job: Job) -> None:
        """Read small built-in data before the fork. Trouble is left to the job, which fails with it."""
        data = job.local.get("data", {})
        if data.get("source") == "builtin" and data["name"] not in self.loaded:
            self.loaded.add(data["name"])
            with contextlib.suppress(Exception):
                import torch

                from bench.data import load
                from bench.data.settings import DataSettings

                load(DataSettings.model_validate(data), torch.device("cpu"))


def child_main(job: Job, root: Path, shared_by: int, device: str | None, results: int, parent: int) -> None:
    """The child's life: execute, report, leave without running the parent's exit handlers."""
    code = 1
    try:
        stop = Stop()
        signal.signal(signal.SIGTERM, stop)
        die_with_parent(parent)
        folder = Store(root).job(job).path
        folder.mkdir(parents=True, exist_ok=True)
        output = os.open(folder / "output.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(0)
        outcome = execute(job, root, stop=stop, shared_by=shared_by, device=device)
        os.write(results, json.dumps(asdict(outcome)).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def die_with_parent(parent: int) -> None:
    """Where the system can: a worker that is killed takes its job along (Linux)."""
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
        return f"the worker exited with status {os.waitstatus_to_exitcode(status)}; see output.txt"
    number = os.WTERMSIG(status)
    why = " (out of memory, or killed by hand)" if number == signal.SIGKILL else ""
    return f"the worker was killed by {signal.Signals(number).name}{why}"


if __name__ == "__main__":
    sys.exit(main())
