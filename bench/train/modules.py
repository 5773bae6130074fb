"""Modes and places of modules: setting either goes through all of them, which takes a millisecond or more of a ViT, and
is done only where it would change something."""

from itertools import chain

import torch
from torch import nn


def set_mode(module: nn.Module, *, training: bool) -> None:
    """Leave a module and all within it in training mode, or in evaluation mode."""
    if any(part.training != training for part in module.modules()):
        module.train(training)


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """Return the module, with its parameters and buffers on a device."""
    if all(tensor.device == device for tensor in chain(module.parameters(), module.buffers())):
        return module
    return module.to(device)
