"""Python's collector of cycles, where it would only take time: it goes through all that is there, again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Within, nothing looks for cycles: for what makes much that stays, and little or nothing that is in one."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
