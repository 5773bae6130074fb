"""All cores, or all GPUs, of this machine: `jobs` warm workers, each doing one job at a time."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.worker import Outcome, job_to_json

INTERVAL = 0.5  # seconds between looks at progress
GRACE = 30.0  # seconds for workers to save and leave before they are killed


def gpus() -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES names them; found without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [d for d in visible.split(",") if d.strip()]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(i) for i, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """One warm worker process and the job that it does."""

    def __init__(self, gpu: str | None, shared_by: int) -> None:
        self.gpu, self.shared_by, self.job_id, self.ready = gpu, shared_by, None, False
        environment = dict(os.environ)
        environment["CUDA_VISIBLE_DEVICES"] = gpu or ""
        environment.setdefault("OMP_NUM_THREADS", "1")
        environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.launch.pool"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
            bufsize=0,  # or a second line would hide in a buffer from select
        )  # fmt: skip

    def give(self, job: Any, root: Path) -> None:
        self.job_id = job.id
        order = {"job": job_to_json(job), "root": str(root), "shared_by": self.shared_by}
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its end is noticed where its output is read
            self.process.stdin.write((json.dumps(order) + "\n").encode())


def run(schedule: Schedule, root: Path, progress: Progress, *, jobs: int | None, device: str) -> bool:
    """Run all jobs. Returns whether it was interrupted."""
    devices = gpus() if device != "cpu" else []
    count = jobs or (len(devices) or cores())
    return _Local(schedule, root, progress, devices, count).run()


class _Local:
    def __init__(self, schedule: Schedule, root: Path, progress: Progress, devices: list[str], count: int) -> None:
        self.schedule, self.root, self.progress = schedule, root, progress
        self.devices, self.count = devices, count
        self.workers: list[Worker] = []
        self.selector = selectors.DefaultSelector()
        self.interrupted = 0

    def run(self) -> bool:
        before = {s: signal.signal(s, self.interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.schedule.open and not self.interrupted:
                self.assign()
                self.wait(INTERVAL)
                self.progress.show()
            if self.interrupted:
                self.schedule.stop("interrupted")
                self.wind_down()
            return bool(self.interrupted)
        finally:
            for s, handler in before.items():
                signal.signal(s, handler)
            self.close()

    def interrupt(self, *_: Any) -> None:
        self.interrupted += 1
        if self.interrupted == 1:
            self.progress.say("interrupted: saving what runs (again to stop at once)")
        for worker in self.workers:
            worker.process.send_signal(signal.SIGTERM if self.interrupted == 1 else signal.SIGKILL)

    def assign(self) -> None:
        """Give free workers the next jobs; start workers only as long as there is work for them."""
        while True:
            free = next((w for w in self.workers if w.job_id is None), None)
            if free is None and len(self.workers) >= self.count:
                return
            job = self.schedule.next()
            if job is None:
                return
            (free or self.start_worker()).give(job, self.root)

    def start_worker(self) -> Worker:
        used = len(self.workers)
        gpu = self.devices[used % len(self.devices)] if self.devices else None
        shared_by = -(-self.count // len(self.devices)) if self.devices else 1
        worker = Worker(gpu, shared_by)
        self.workers.append(worker)
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        return worker

    def wait(self, seconds: float) -> None:
        """Take in what workers say."""
        if not self.workers:
            time.sleep(min(seconds, 0.1))
            return
        for key, _ in self.selector.select(seconds):
            self.hear(key.data)

    def hear(self, worker: Worker) -> None:
        line = worker.process.stdout.readline()
        if not line:
            self.lost(worker)
            return
        message = json.loads(line)
        if "ready" in message:
            worker.ready = True
            return
        id, worker.job_id = message["id"], None
        damaged = message["damaged"]
        self.finish(id, Outcome(message["state"], message["message"], tuple(damaged) if damaged else None))

    def finish(self, id: str, outcome: Outcome) -> None:
        self.schedule.finish(id, outcome)
        self.progress.finished(self.schedule.entries[id].job, outcome)

    def lost(self, worker: Worker) -> None:
        """A worker process is gone. Its job died with it, and fails; another worker takes its place."""
        self.selector.unregister(worker.process.stdout)
        self.workers.remove(worker)
        code = worker.process.wait()
        if worker.job_id is not None:
            state = "interrupted" if self.interrupted else "failed"
            outcome = Outcome(state, f"its worker ended with status {code}")
            folder = self.schedule.store.job(self.schedule.entries[worker.job_id].job)
            if state == "failed":
                folder.append_log("failed", error=outcome.message)
                folder.write_failure({"error": outcome.message, "traceback": "", "kind": "died"})
            self.finish(worker.job_id, outcome)
        elif not worker.ready and not self.interrupted:
            raise RuntimeError(f"a worker ended with status {code} before it was ready; its message is above")

    def wind_down(self) -> None:
        deadline = time.monotonic() + GRACE
        while any(w.job_id for w in self.workers) and time.monotonic() < deadline:
            self.wait(INTERVAL)

    def close(self) -> None:
        for worker in self.workers:
            assert worker.process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                worker.process.stdin.close()
        for worker in self.workers:
            try:
                worker.process.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                worker.process.kill()
