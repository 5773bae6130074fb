"""What this machine has to compute with, found without importing torch."""

import os
from pathlib import Path

from bench.errors import BenchError


def gpus() -> list[str]:
    """Return the GPUs that may be used, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [d for d in visible.split(",") if d.strip()]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(i) for i, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_sets(each: int, device: str) -> list[list[str]]:
    """Return the GPUs of this machine in sets of `each`; none where jobs compute on the CPU.

    Raises BenchError where there are GPUs, but not enough for one job.
    """
    names = gpus() if device != "cpu" else []
    if 0 < len(names) < each:
        raise BenchError(f"gpus_per_run: {each} GPUs for a run; this machine has {len(names)} (or say device: cpu)")
    return [names[first : first + each] for first in range(0, len(names) - each + 1, each)]
