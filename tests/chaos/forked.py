"""`bench` commands in forked processes: what an exec and an import of torch would cost is saved, nothing else."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from bench.collector import collector_at_rest


class Forked:
    """A child process that calls a function; the part of subprocess.Popen's interface that is used here."""

    def __init__(self, function: Callable[[], int], *, keep: int | None = None, log: Path | None = None) -> None:
        """keep: the one descriptor above 2 that stays open, as after an exec; without it, a session of its own."""
        sys.stdout.flush()
        self.returncode: int | None = None
        self.log = log or Path(os.devnull)
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
                    signal.signal(number, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                if keep is not None:
                    os.closerange(3, keep)
                    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
                    os.dup2(2, 1)
                else:
                    os.setsid()
                    out = os.open(self.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
                    os.dup2(out, 1)
                    os.dup2(out, 2)
                code = function()
            finally:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("forked", timeout or 0)
            time.sleep(0.005)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def bench(*arguments: object, log: Path) -> Forked:
    """A command in a session of its own. Its warm process is forked too."""
    return Forked(lambda: command(*arguments), log=log)


def command(*arguments: object) -> int:
    """Run a command in this process, which was forked for it; its warm process is forked from this one."""
    from bench.cli import main
    from bench.launch import local, pool

    class Popen(Forked):
        def __init__(self, command: list[str], *, env: dict[str, str], **_: Any) -> None:
            def serve() -> int:
                os.environ.update(env)
                return pool.main(int(command[-1]))

            super().__init__(serve, keep=int(command[-1]))

    class Patched:
        def __getattr__(self, name: str) -> Any:
            return Popen if name == "Popen" else getattr(subprocess, name)

    local.subprocess = Patched()  # type: ignore[assignment]
    return main([str(a) for a in arguments])


def family(launcher: Forked) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """(its warm process, the workers of that)."""
    try:
        pools = psutil.Process(launcher.pid).children()
        return pools, [child for pool in pools for child in pool.children()]
    except psutil.NoSuchProcess:
        return [], []


def end(launcher: Forked) -> None:
    """Kill it with all that belongs to it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()


@collector_at_rest()
def warm_up() -> None:
    """Import what every command would, and what the report imports that it ends with, when it is made."""
    import matplotlib
    import pandas  # noqa: F401
    import scipy.special  # noqa: F401

    import bench.commands.run
    import bench.report
    from bench.data import DataSettings, load
    from bench.launch import pool

    matplotlib.use("Agg")
    for module in pkgutil.walk_packages(bench.report.__path__, "bench.report."):
        import_module(module.name)
    pool.warm_up()  # freezes what is there, for the collector
    import torch

    load(DataSettings.model_validate({"name": "digits"}), torch.device("cpu"))
