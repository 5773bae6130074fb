"""Checkpoints: torch's own format with a checksum, replaced atomically, read without executing code."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from bench.files import read_file, set_aside, write_bytes
from bench.train.group import Group


def save(path: Path, state: dict[str, Any]) -> int:
    """Write the state; returns its size in bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    write_bytes(path, data + hashlib.sha256(data).digest())
    return len(data)


def load(path: Path, group: Group) -> tuple[dict[str, Any] | None, str | None]:
    """(state, None); (None, None) where there is none; (None, what happened) for a damaged file, which is set aside.

    The first process of a group reads, and the others get what it has read: theirs is no path to look at. Tensors are
    on the CPU, wherever they were: whoever takes them over knows where its own are.
    """
    body, trouble = _read(path) if group.rank == 0 else (None, None)
    body, trouble = group.broadcast_bytes(body), group.broadcast(trouble)
    if body is None:
        return None, trouble
    return torch.load(io.BytesIO(body), map_location="cpu", weights_only=True), None


def _read(path: Path) -> tuple[bytes | None, str | None]:
    try:
        data = read_file(path)
    except (OSError, ValueError) as error:
        return None, f"checkpoint cannot be read ({error}); starting this job anew"
    if data is None:
        return None, None
    body, checksum = data[:-32], data[-32:]
    if hashlib.sha256(body).digest() != checksum:
        return None, f"checkpoint damaged; kept as {set_aside(path).name}, starting this job anew"
    return body, None
