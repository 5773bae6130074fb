"""Top-1, top-5 and loss of a model on a split."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.train.group import Group
from bench.train.modules import set_mode
from bench.train.precision import autocast

BATCH = 500  # images per forward pass


@torch.inference_mode()
def evaluate(
    model: nn.Module, split: Any, device: torch.device, precision: str = "fp32", group: Group | None = None
) -> dict[str, float]:
    """`top1`, `top5` in percent and the mean cross entropy `loss`. Exact counts, in the split's order.

    group: processes that share the work, all of which get the values that one alone would find, bit for bit: batches
        are dealt out whole, and their figures are added up in the split's order.
    """
    group = group or Group()
    was_training = model.training
    set_mode(model, training=False)
    n = split.n
    order = list(torch.arange(n).split(BATCH))
    sums = torch.zeros(3, len(order), dtype=torch.float64, device=device)  # counts are exact in it, far above any n
    mine = range(group.rank, len(order), group.world)
    batches = split.batches([order[i] for i in mine], epoch=0, seed=0, augment=None)
    for i, (images, labels) in zip(mine, batches, strict=True):
        with autocast(device, precision):
            logits = logits_of(model, images).float()
        top = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        sums[0, i] = top[:, 0].sum()
        sums[1, i] = top.any(dim=1).sum()
        sums[2, i] = F.cross_entropy(logits, labels, reduction="sum")
    set_mode(model, training=was_training)
    right1, right5, loss = (sum(row) for row in group.sum(sums).tolist())
    return {"top1": 100 * right1 / n, "top5": 100 * right5 / n, "loss": loss / n}


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """In as many parts as memory makes necessary."""
    try:
        return model(images)
    except torch.OutOfMemoryError:
        if len(images) == 1:
            raise
    return torch.cat([logits_of(model, half) for half in images.chunk(2)])
