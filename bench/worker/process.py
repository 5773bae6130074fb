"""What a process that does jobs sets and measures of itself: arithmetic, memory, device. Torch comes when it is used.

By default glibc returns every large block to the system when it is freed, and the system fills the next one with zeros,
page by page: in training on the CPU, where each step allocates and frees the same tensors, a tenth to a third of the
time. `keep_freed` ends that; see mallopt(3).
"""

import contextlib
import ctypes
import os
import resource
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.worker.visible import CUDA, HIP, names

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of malloc.h


def preload() -> None:
    """Import what jobs use, so that processes forked from this one need not."""
    # not above: they are slow to import, and who only asks for `slurm_job` does without
    import bench.jobs.parts.fairness
    import bench.jobs.parts.initialised
    import bench.jobs.parts.watch
    import bench.train.evaluate  # noqa: F401


def choose_device(wish: str) -> str:
    """`cuda` or `cpu`, for `auto` what there is. Raises BenchError where the wish cannot be met, and where `auto` would
    compute on the CPU although a GPU was given to this process."""
    import torch

    if wish == "cpu" or torch.cuda.is_available():
        return "cpu" if wish == "cpu" else "cuda"
    if wish == "cuda":
        raise BenchError("device: cuda was asked for; torch sees no GPU here")
    for variable in (HIP, CUDA):
        value = os.environ.get(variable, "")
        if names(value):
            built = f"torch {torch.__version__}, built for CUDA {torch.version.cuda}"
            raise BenchError(
                f"device: auto: {variable}={value} gives a GPU to this process, which {built}, cannot use; expected a "
                "torch that fits the driver, or device: cpu"
            )
    return "cpu"


def deterministic(threads: int) -> None:
    """Make arithmetic depend on the machine and its libraries alone."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False  # else convolutions in fp32 are not; matrix products are by default


def keep_freed() -> None:
    """Keep the memory that is freed from here on for what is allocated next; what is free now is given back, once.

    Does nothing where the C library is not glibc.
    """
    try:
        libc = ctypes.CDLL(None)
        mallopt, trim = libc.mallopt, libc.malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    mallopt(TRIM_THRESHOLD, -1)  # never
    mallopt(MMAP_MAX, 0)
    trim(0)


def reset_peak_memory() -> None:
    """Start to measure the peak anew, where the system can: this process may have done other jobs before."""
    import torch

    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def peak_memory(device: Any) -> int:
    """The most bytes held at once: by the GPU's allocator, or by this process on the CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def slurm_job() -> dict[str, str]:
    """The Slurm job that this process belongs to, as squeue names it; empty elsewhere."""
    id, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    if id is None:
        return {}
    return {"slurm": f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else id}
