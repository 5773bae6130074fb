"""The clock that a probe times pieces of jobs by. That of trainings (train/clock.py) counts wall time, in stages."""

import time

import torch


def seconds(device: torch.device) -> float:
    """On a GPU wall time, when all that was started is done; on a CPU what this process used of it, by all its threads:
    others on the machine do not lengthen that."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()
