"""Where the time of a job goes, and the energy that a GPU says it has used, where NVML tells."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from bench.train.cost import Cost
from bench.train.group import Group


class Clock:
    """One clock for a job, whose time belongs to the innermost stage that it is in: a stage pauses those around it.

    What no stage charges to a cost is charged to nobody: a checkpoint, say, or a warm-up.
    """

    def __init__(self, device: torch.device, group: Group) -> None:
        self.device, self.group = device, group
        self.stages: list[Stage] = []  # the innermost last
        self.time, self.joules = 0.0, math.nan  # of the last look

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Everything in here, but for what is in stages of its own. Waits for the GPU at its start and its end."""
        self.look()
        stage = Stage(name, self)
        self.stages.append(stage)
        try:
            yield stage
        finally:
            self.look()
            self.stages.remove(stage)

    def look(self) -> None:
        """Give what was spent since the last look to the stage that the clock is in."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now, energy = time.perf_counter(), joules(self.device)
        energy = math.nan if energy is None else energy
        if self.stages:
            self.stages[-1].seconds += now - self.time
            self.stages[-1].joules += energy - self.joules
        self.time, self.joules = now, energy


@dataclass(eq=False)
class Stage:
    """What was spent in a stage and not charged yet; `joules` of this process's device, NaN where it does not tell."""

    name: str
    clock: Clock
    seconds: float = 0.0
    joules: float = 0.0

    def charge(self, cost: Cost) -> None:
        """Move what was spent to a cost, with the energy of all processes of the group, which do so together."""
        if self in self.clock.stages:
            self.clock.look()
        group, energy = self.clock.group, self.joules
        if self.clock.device.type == "cuda" and group.world > 1:
            energy = float(group.sum(torch.tensor(energy, dtype=torch.float64)))
        cost.charge(self.seconds, None if math.isnan(energy) else energy)
        self.seconds = self.joules = 0.0


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
