"""Random numbers that are a function of (seed, epoch, sample index) alone.

A counter-based generator (splitmix64, Steele et al., OOPSLA 2014) in wrapping int64 arithmetic: each number is computed
from its coordinates, so it does not depend on the batch, the order, the device, or on what was drawn before.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The int64 with the low 64 bits of `value`."""
    return (value + 2**63) % 2**64 - 2**63


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MUL1 = _signed(0xBF58476D1CE4E5B9)
_MUL2 = _signed(0x94D049BB133111EB)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical shift to the right: torch's keeps the sign."""
    return (z >> bits) & (2 ** (64 - bits) - 1)


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _shift(z, 30)) * _MUL1
    z = (z ^ _shift(z, 27)) * _MUL2
    return z ^ _shift(z, 31)


def keys(seed: int, epoch: int, indices: Tensor) -> Tensor:
    """One int64 [n] for each of `indices` (int64 [n]): a seed of its own for that sample in that epoch."""
    start = torch.full((), _signed(seed), dtype=torch.int64, device=indices.device)
    stream = _mix(_mix(start + _GOLDEN) + _signed((epoch + 1) * _GOLDEN))
    return _mix(stream + (indices + 1) * _GOLDEN)


def uniform(seed: int, epoch: int, indices: Tensor, draws: int) -> Tensor:
    """Numbers in [0, 1), float64 [n, draws], `draws` for each of `indices` (int64 [n]), on their device.

    53 random bits each; the same bits on every device.
    """
    steps = torch.arange(1, draws + 1, dtype=torch.int64, device=indices.device) * _GOLDEN
    bits = _mix(keys(seed, epoch, indices)[:, None] + steps)
    return _shift(bits, 11).double() * 2.0**-53
