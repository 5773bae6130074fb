"""The faults: each is given a trial's launcher and results at a moment that the seed chose, and does its harm."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos import shim
from tests.chaos.forked import Forked, bench, end, family

SECONDS = 600.0  # for a command, on a machine that may have few cores left
JUMPS = (2, 200, 4000, 40 * 86400, 20 * 365 * 86400)  # seconds
Fault = Callable[[Forked, Path, random.Random], list[Path]]  # returns the files that it damaged


def jump_clock(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """The time of day jumps ahead and back, up to three times; it stays wrong."""
    for _ in range(draw.randint(1, 3)):
        shim.set_clock(draw.choice((-1, 1)) * draw.choice(JUMPS))
        time.sleep(draw.uniform(0, 0.5))
    return []


def freeze_pool(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """The warm process, the launcher or all of them are stopped, as by Ctrl-Z or a lid that is closed, and let go."""
    pools = [process.pid for process in family(launcher)[0]]
    pid, stop = draw.choice([*((pid, os.kill) for pid in pools), (launcher.pid, os.kill), (launcher.pid, os.killpg)])
    for number, seconds in ((signal.SIGSTOP, draw.uniform(0.2, 3)), (signal.SIGCONT, 0)):
        with contextlib.suppress(ProcessLookupError):
            stop(pid, number)
        time.sleep(seconds)
    return []


def read_only(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """The file system is read-only for a while, as after an error of the disk (the results are on a tmpfs)."""
    remount(results.parent, "ro")
    time.sleep(draw.uniform(0.3, 1.5))
    remount(results.parent, "rw")
    return []


def remount(folder: Path, how: str) -> None:
    """As soon as no file there is open for writing."""
    deadline = time.monotonic() + 20
    while subprocess.run(["mount", "-o", f"remount,{how}", folder], capture_output=True).returncode:
        assert time.monotonic() < deadline, f"{folder} cannot be mounted {how}"


def no_links(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """link(2) is refused, and a second launcher wants the same jobs; half of the time the first dies meanwhile."""
    shim.refuse_links(draw.choice((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)))
    suite = results.parent / "tiny.yaml"
    second = bench("run", suite, "--jobs", "2", "--results", results, log=launcher.log)
    if draw.random() < 0.5:
        time.sleep(draw.uniform(0.1, 1.5))
        end(launcher)
    code = second.wait(SECONDS)
    assert code == 0, f"the second launcher ended with {code}"
    return []


def kill_worker(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    workers = family(launcher)[1]
    _signal(draw.choice(workers) if workers else None, signal.SIGKILL)
    return []


def kill_warm_process(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    pools = family(launcher)[0]
    _signal(pools[0] if pools else None, signal.SIGKILL)
    return []


def kill_launcher(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    launcher.kill()
    return []


def kill_everything(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    end(launcher)
    return []


def preempt(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    launcher.send_signal(draw.choice((signal.SIGTERM, signal.SIGINT)))
    return []


def freeze_worker(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """Stopped, as by a debugger or a swapping machine, and let go."""
    workers = family(launcher)[1]
    frozen = draw.choice(workers) if workers else None
    _signal(frozen, signal.SIGSTOP)
    time.sleep(draw.uniform(0.1, 1.0))
    _signal(frozen, signal.SIGCONT)
    return []


def truncate_file(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """A crash of the machine: all is killed, and a file of some job lost its end."""
    end(launcher)
    names = ("result.json", "*.safetensors", "checkpoint.pt", "failure.json", "log.jsonl", "settings.json")
    files = sorted(path for name in names for path in results.glob(f"jobs/*/*/{name}"))
    if not files:
        return []
    path = draw.choice(files)
    with path.open("r+b") as file:
        file.truncate(draw.randrange(path.stat().st_size + 1))
    return [path]


def garble_checkpoint(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """All is killed, and a checkpoint that the next start would read holds other bytes."""
    deadline = time.monotonic() + 5
    while not (found := sorted(results.glob("jobs/*/*/checkpoint.pt"))) and time.monotonic() < deadline:
        if launcher.poll() is not None:
            return []
        time.sleep(0.002)
    end(launcher)
    for path in found:
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            file.seek(draw.randrange(max(1, path.stat().st_size)))
            file.write(draw.randbytes(64))
    return found


def fill_disk(launcher: Forked, results: Path, draw: random.Random) -> list[Path]:
    """No byte is left for a while (the results are on a small tmpfs)."""
    filler = fill(results.parent)
    time.sleep(draw.uniform(0.3, 1.5))
    filler.unlink(missing_ok=True)
    return []


def fill(folder: Path) -> Path:
    """Take all bytes that are left there; returns the file that has them."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1 << 8):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


def _signal(process: psutil.Process | None, number: int) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


FAULTS: dict[str, Fault] = {
    f.__name__.replace("_", " "): f
    for f in (
        jump_clock,
        freeze_pool,
        read_only,
        no_links,
        kill_worker,
        kill_warm_process,
        kill_launcher,
        kill_everything,
        preempt,
        freeze_worker,
        truncate_file,
        garble_checkpoint,
        fill_disk,
    )
}
MOUNTED = ("fill disk", "read only")  # want the results on a file system of their own
