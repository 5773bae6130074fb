"""Processes of this machine: how many at once, how a forked one begins and ends."""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fork(work: Callable[[], None]) -> int:
    """Fork a process that does something and ends: whatever happens, it never returns to what forked it. Returns its
    id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        leave_after(work)
    return pid


def leave_after(work: Callable[[], None]) -> NoReturn:
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


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the system, where it can (Linux), send a signal when the parent dies: a pool that is killed stops its
    children, with a checkpoint."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, number)
    if os.getppid() != parent:
        os._exit(1)
