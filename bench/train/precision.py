"""The arithmetic of forward passes: fp32, or automatic mixed precision in bf16 or fp16."""

from contextlib import AbstractContextManager, nullcontext

import torch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """What a forward pass stands in."""
    return nullcontext() if precision == "fp32" else torch.autocast(device.type, AUTOCAST[precision])
