"""Batches are copied to a GPU while it computes on the ones before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

Rest = TypeVar("Rest")


def on_device(
    batches: Iterable[tuple[Tensor, Tensor, Rest]], device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Rest]]:
    """The same batches, images and labels on the device, the rest as it is. To a GPU, from pinned memory: on a stream
    of their own, and one ahead."""
    if device.type != "cuda":
        for images, labels, rest in batches:
            yield images.to(device), labels.to(device), rest
        return
    copying = stream(device)
    ahead: list[tuple[tuple[Tensor, Tensor], torch.cuda.Event, Rest]] = []
    for images, labels, rest in batches:
        with torch.cuda.stream(copying):
            copies = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        ahead.append((copies, copying.record_event(), rest))
        if len(ahead) > 1:
            copies, done, beside = ahead.pop(0)
            yield *arrived(copies, done), beside
    for copies, done, beside in ahead:
        yield *arrived(copies, done), beside


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
