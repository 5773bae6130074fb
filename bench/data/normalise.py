"""Pixels to what a model sees, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.data.settings import DataSettings


class Normalise:
    """uint8 [B, C, H, W] in 0..white -> float32 (x / white - mean) / std. What is float32 already passes unchanged."""

    def __init__(self, settings: DataSettings, device: torch.device, white: int = 255) -> None:
        mean, std = (torch.tensor(v, dtype=torch.float64).view(1, -1, 1, 1) for v in (settings.mean, settings.std))
        self.scale = (1 / (white * std)).float().to(device)
        self.offset = (-mean / std).float().to(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        if pixels.dtype == torch.float32:
            return pixels
        return torch.addcmul(self.offset, pixels.float(), self.scale)
