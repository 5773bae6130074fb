"""A clock that jumps, and a file system without hard links: a library that processes are started with (shim.c).

The time of day jumps, not the times of files, which are the kernel's: as on a machine whose clock leaves that of its
file server.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

VARIABLE = "CHAOS_SHIM"


def environment(folder: Path) -> dict[str, str]:
    """Compile the library into `folder`; returns the variables with which processes have it. Wants a C compiler."""
    library, control = folder / "shim.so", folder / "control"
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("shim.c"))], check=True
    )
    control.write_bytes(struct.pack("qq", 0, 0))
    return {"LD_PRELOAD": str(library), VARIABLE: str(control)}


def set_clock(seconds: int) -> None:
    """Put the time of day that many seconds ahead (or back) of the machine's, for this process and its children."""
    _write(0, seconds)


def refuse_links(number: int) -> None:
    """Let link(2) fail with this error from now on; 0: let it work."""
    _write(8, number)


def reset() -> None:
    set_clock(0)
    refuse_links(0)


def _write(place: int, value: int) -> None:
    """In one write in place: others have the file mapped."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY)
    try:
        os.pwrite(descriptor, struct.pack("q", value), place)
    finally:
        os.close(descriptor)
