"""What this machine has to compute with, found without importing torch into this process.

GPUs are NVIDIA's, by CUDA, and AMD's, by HIP, which torch calls cuda, too. HIP reads HIP_VISIBLE_DEVICES, or else
CUDA_VISIBLE_DEVICES, and counts what ROCR_VISIBLE_DEVICES leaves from 0.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.worker.visible import CUDA, HIP, names

ROCR = "ROCR_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each of NVIDIA's
OTHERS = ("/dev/kfd", "/dev/dxg")  # drivers of AMD's, and of Windows's below WSL2: they do not tell how many there are
BF16 = 8  # the major compute capability from which NVIDIA's have instructions for it


def gpus() -> list[str]:
    """Return the GPUs that may be used, as the variables that hide the others name them."""
    for variable in (HIP, CUDA):
        if (value := os.environ.get(variable)) is not None:
            return names(value)
    if (value := os.environ.get(ROCR)) is not None:
        return [str(i) for i, _ in enumerate(names(value))]
    return [str(i) for i in range(_count())]


def visible(chosen: list[str]) -> dict[str, str]:
    """Return the environment variables that leave a process those GPUs alone."""
    joined = {CUDA: ",".join(chosen)}
    return joined | {HIP: joined[CUDA] or "-1"} if HIP in os.environ or Path(OTHERS[0]).exists() else joined


@cache
def _count() -> int:
    """GPUs of the machine: NVIDIA's by NVML, or by its driver's folders; where there are others, torch is asked."""
    with nvml() as library:
        if library is not None and (count := library.nvmlDeviceGetCount()):
            return count
    if DRIVER.is_dir() and (count := sum(1 for _ in DRIVER.iterdir())):
        return count
    return _asked() if any(Path(other).exists() for other in OTHERS) else 0


@contextmanager
def nvml() -> Iterator[Any]:
    """NVIDIA's library for the state of its GPUs; None where it is not, or does not answer."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no driver, or one that fits none
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _asked() -> int:
    """How many GPUs torch sees, in a process of its own: 2 seconds, and memory of GPUs, that this one does not need."""
    command = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        return int(subprocess.run(command, capture_output=True, timeout=120, check=True).stdout)
    return 0


def why_none() -> str:
    """Say why there is no GPU to use."""
    for variable in (HIP, CUDA, ROCR):
        if variable in os.environ:
            return f"{variable}={os.environ[variable]} hides all GPUs"
    present = [driver for driver in (str(DRIVER), *OTHERS) if Path(driver).exists()]
    if present:
        return f"there is a driver ({present[0]}), but torch sees no GPU; `bench doctor` says more"
    return "no driver of a GPU was found"


def without_bf16() -> list[str]:
    """Return names of NVIDIA's GPUs here that have no instructions for bf16; of none where NVML does not tell."""
    lacking = []
    with nvml() as library:
        for i in range(library.nvmlDeviceGetCount() if library is not None else 0):
            with suppress(library.NVMLError):
                handle = library.nvmlDeviceGetHandleByIndex(i)
                if library.nvmlDeviceGetCudaComputeCapability(handle)[0] < BF16:
                    lacking.append(str(library.nvmlDeviceGetName(handle)))
    return lacking


def device_sets(each: int, device: str) -> list[list[str]]:
    """Return the GPUs of this machine in sets of `each`; none where jobs compute on the CPU.

    Raises BenchError where there are GPUs, but not enough for one job.
    """
    all_gpus = gpus() if device != "cpu" else []
    if 0 < len(all_gpus) < each:
        raise BenchError(f"gpus_per_run: {each} GPUs for a run; this machine has {len(all_gpus)} (or say device: cpu)")
    return [all_gpus[first : first + each] for first in range(0, len(all_gpus) - each + 1, each)]
