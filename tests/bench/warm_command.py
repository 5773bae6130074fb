"""`bench` commands in processes of their own, forked from a warm one: what an exec and an import of torch would cost is
saved, nothing else. As in the tests' own process, reports draw few pictures."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Command:
    """A command that runs; the part of subprocess.Popen's interface that the tests use."""

    def __init__(self, *arguments: object) -> None:
        self.output = tempfile.NamedTemporaryFile(prefix="bench-command-")  # noqa: SIM115  lives as long as this
        words = [str(argument) for argument in arguments]
        self.process = _server().Process(target=_run, args=(words, self.output.name, dict(os.environ)))
        self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """What it printed, when it has ended."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("bench", timeout or 0, self._printed())
        return self._printed(), None

    def send_signal(self, number: int) -> None:
        if self.process.exitcode is None:
            os.kill(self.pid, number)

    def _printed(self) -> str:
        return Path(self.output.name).read_text()


@functools.cache
def _server() -> ForkServerContext:
    """The warm process of this test process, which ends with it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.warm_imports"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context


def _run(arguments: list[str], output: str, environment: Mapping[str, str]) -> None:
    """What the forked process does, in a session of its own; `bench.launch.local` forks its warm process too."""
    from tests.bench import pictures
    from tests.chaos.forked import command

    pictures.few()
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment, OMP_NUM_THREADS="1")
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    raise SystemExit(command(*arguments))
