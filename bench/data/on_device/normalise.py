"""Pixels to what a model sees, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.data.settings import DataSettings


def layout(device: torch.device) -> torch.memory_format:
    """How images and the weights of convolutions lie in memory: channels last on a GPU, which computes convolutions so,
    and whose patch embedding then is the sequence of tokens without another copy. On the CPU as they are: any other
    layout, even of one channel, rounds otherwise."""
    return torch.channels_last if device.type == "cuda" else torch.preserve_format


class Normalise:
    """uint8 [B, C, H, W] in 0..white -> float32 (x / white - mean) / std."""

    def __init__(self, settings: DataSettings, device: torch.device, white: int = 255) -> None:
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (settings.mean, settings.std))
        self.scale = (1 / (white * std)).float().tolist()
        self.offset = (-mean / std).float().to(device)
        self.layout = layout(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Computed in place, by channel: one operation on the whole that broadcasts takes the CPU three times as long,
        and a second tensor of that size up to twenty times."""
        out = pixels.to(torch.float32, memory_format=self.layout)
        for channel, offset, scale in zip(out.unbind(1), self.offset, self.scale, strict=True):
            torch.add(offset, channel, alpha=scale, out=channel)
        return out
