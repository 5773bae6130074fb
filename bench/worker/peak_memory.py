"""The most memory that a job had at once."""

import contextlib
import resource
from pathlib import Path
from typing import Any


def of(device: Any) -> int:
    """Bytes: of the GPU's allocator, or of this process on the CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset() -> None:
    """Start to measure the peak anew, where the system can: this process may have done other jobs before."""
    import torch

    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
