"""Processes that are killed at each change that they make to a folder."""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "shutil.rmtree"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def killed_everywhere(action: Callable[[], object], folder: Path) -> Iterator[int]:
    """Do `action` in a process that is killed at its first change of a file below `folder`, then in one that is killed
    at its second, and so on, until one comes to its end. Yields after each, with the number of changes before it."""
    for allowed in itertools.count():
        child = os.fork()
        if child == 0:
            _arm(allowed, str(folder))
            try:
                action()
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        yield allowed
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            return


def _arm(allowed: int, folder: str) -> None:
    left = allowed

    def look(event: str, arguments: tuple) -> None:
        nonlocal left
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if not (opened or event in CHANGES) or not str(arguments[0]).startswith(folder):
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    sys.addaudithook(look)
