"""Batches are copied to a GPU while it computes on the ones before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import torch
from torch import Tensor


def on_device(batches: Iterable[tuple[Tensor, Tensor]], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches on the device. To a GPU, from pinned memory: on a stream of their own, and one ahead."""
    if device.type != "cuda":
        for images, labels in batches:
            yield images.to(device), labels.to(device)
        return
    copying = stream(device)
    ahead: list[tuple[tuple[Tensor, Tensor], torch.cuda.Event]] = []
    for images, labels in batches:
        with torch.cuda.stream(copying):
            copies = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        ahead.append((copies, copying.record_event()))
        if len(ahead) > 1:
            yield arrived(*ahead.pop(0))
    for last in ahead:
        yield arrived(*last)


@cache
def stream(device: torch.device) -> torch.cuda.Stream:
    """One for all copies to it: memory that was allocated for a stream serves no other when it is free again."""
    return torch.cuda.Stream(device)


def arrived(copies: tuple[Tensor, Tensor], done: torch.cuda.Event) -> tuple[Tensor, Tensor]:
    """What is computed from here on waits for the copies, and their memory is not reused before."""
    computing = torch.cuda.current_stream(copies[0].device)
    computing.wait_event(done)
    for tensor in copies:
        tensor.record_stream(computing)
    return copies
