"""FLOPs of a training step: closed form for a plain VisionTransformer, else counted once per shape."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench import models
from methods.vit import spec_of

LossOf = Callable[[nn.Module, Tensor, Tensor], Tensor]


def is_plain_vit(module: nn.Module) -> bool:
    """Whether the closed forms hold: a VisionTransformer that is not one of timm's many variants."""
    return type(module) is VisionTransformer and not hasattr(module, "default_cfg")  # timm's factory sets it


def forward(module: nn.Module, images: Tensor) -> int:
    """FLOPs of the forward pass of a batch, no gradients."""
    if is_plain_vit(module):
        return models.forward_flops(spec_of(module)) * len(images)
    with torch.no_grad():
        return _count(module, lambda m, x: m(x), images)


def step(module: nn.Module, images: Tensor, labels: Tensor, loss: LossOf | None) -> int:
    """FLOPs of forward and backward of a batch; `loss(module, images, labels)`, None for a loss on the logits alone."""
    if loss is None and is_plain_vit(module) and all(p.requires_grad for p in module.parameters()):
        return models.train_flops(spec_of(module)) * len(images)

    def forward_backward(m: nn.Module, x: Tensor) -> None:
        value = m(x).float().sum() if loss is None else loss(m, x, labels.to(x.device))
        value.backward()

    return _count(module, forward_backward, images)


def _count(module: nn.Module, work: Callable[[nn.Module, Tensor], object], images: Tensor) -> int:
    """Trace a copy on the meta device with fused attention off, which torch's counter misses in some versions."""
    traced = unfuse(copy.deepcopy(module).to("meta"))
    with FlopCounterMode(display=False) as counter:
        work(traced, torch.empty_like(images, device="meta"))
    return counter.get_total_flops()


def unfuse(module: nn.Module) -> nn.Module:
    part: Any  # torch's types call every attribute of a module a tensor or a module
    for part in module.modules():
        if hasattr(part, "fused_attn"):
            part.fused_attn = False
    return module
