"""Time, and the energy that a GPU says it has used, where NVML tells."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import cache
from typing import Any

import torch

from bench.train.cost import Cost
from bench.train.group import Group


def joules(device: torch.device) -> float | None:
    """What the whole device, with all who share it, has used since its driver was loaded; None where it does not tell:
    on a CPU, on a part of a GPU (MIG), without NVML or its Python package (nvidia-ml-py)."""
    handle = _handle(_uuid(device)) if device.type == "cuda" else None
    if handle is None:
        return None
    import pynvml

    try:
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000  # it counts millijoules
    except pynvml.NVMLError:
        return None


class Watch:
    """Time, and energy of the devices of all processes of a group, from here on."""

    def __init__(self, device: torch.device, group: Group) -> None:
        self.device, self.group, self.joules = device, group, joules(device)
        self.clock = time.perf_counter()

    def charge(self, cost: Cost) -> None:
        """Add what was spent to a cost; waits for the GPU. All processes of a group do so together."""
        gpu = self.device.type == "cuda"
        if gpu:
            torch.cuda.synchronize(self.device)
        seconds, now = time.perf_counter() - self.clock, joules(self.device)
        spent = math.nan if now is None or self.joules is None else now - self.joules
        if gpu and self.group.world > 1:
            spent = float(self.group.sum(torch.tensor(spent, dtype=torch.float64)))
        cost.charge(seconds, None if math.isnan(spent) else spent)


def _uuid(device: torch.device) -> str:
    name = str(torch.cuda.get_device_properties(device).uuid)
    return name if name.startswith(("GPU-", "MIG-")) else f"GPU-{name}"  # as NVML writes it


@cache
def _handle(uuid: str) -> Any:
    with suppress(ImportError):
        import pynvml

        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            return pynvml.nvmlDeviceGetHandleByUUID(uuid)
    return None
