"""Randomness: where every seed comes from, and numbers that are a function of their coordinates alone.

`derive_seed` names a seed after its purpose. `seed_all`, `seed_step` and `own_generators` set the global generators,
from which timm and torch draw. `keys` and `uniform` are a counter-based generator (splitmix64, Steele et al., OOPSLA
2014) in wrapping int64 arithmetic: a number is computed from (seed, epoch, sample index), so it does not depend on the
batch, the order, the device, or on what was drawn before.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor

from bench.identity import canonical


def derive_seed(*parts: Any) -> int:
    """A 63-bit seed for a purpose, the same on every machine."""
    return int.from_bytes(hashlib.sha256(canonical(parts).encode()).digest()[:8], "big") >> 1


def seed_all(*parts: Any) -> None:
    """Seed every global generator for a purpose."""
    seed = derive_seed(*parts)
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # the same, without a note of who asked that torch keeps for GPUs to come, which takes most of a millisecond
        torch.default_generator.manual_seed(seed)


def seed_step(seed: int, device: torch.device) -> None:
    """Seed what a training step draws from (dropout, stochastic depth). torch.manual_seed takes 0.2 ms and more."""
    for generator in generators(device):
        generator.manual_seed(seed)


def generators(device: torch.device | None = None) -> list[torch.Generator]:
    """torch's global generators: the CPU's, and the device's where that is a GPU."""
    on_gpu = device is not None and device.type == "cuda"
    return [torch.default_generator, *([torch.cuda.default_generators[torch.cuda.current_device()]] if on_gpu else [])]


@contextmanager
def own_generators(device: torch.device | None = None) -> Iterator[Callable[[int], None]]:
    """Give a function that seeds Python's, numpy's and torch's generators, the CPU's and the device's; afterwards they
    are as they were."""
    of_torch = generators(device)
    states = random.getstate(), numpy.random.get_state(), [generator.get_state() for generator in of_torch]

    def seed(key: int) -> None:
        random.seed(key)
        numpy.random.seed(key % 2**32)
        for generator in of_torch:
            generator.manual_seed(key)

    try:
        yield seed
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
        for generator, state in zip(of_torch, states[2], strict=True):
            generator.set_state(state)


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
