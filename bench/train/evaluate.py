"""Top-1, top-5 and loss of a model on a split."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

BATCH = 500  # images per forward pass


@torch.inference_mode()
def evaluate(model: nn.Module, split: Any, device: torch.device, precision: str = "fp32") -> dict[str, float]:
    """`top1`, `top5` in percent and the mean cross entropy `loss`. Exact counts, in the split's order."""
    was_training = model.training
    model.eval()
    n = split.n
    order = list(torch.arange(n).split(BATCH))
    right1 = torch.zeros((), dtype=torch.int64, device=device)
    right5 = torch.zeros_like(right1)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    for images, labels in split.batches(order, epoch=0, seed=0, augment=None):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        logits = logits.float()
        top = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        right1 += top[:, 0].sum()
        right5 += top.any(dim=1).sum()
        loss += F.cross_entropy(logits, labels, reduction="sum").double()
    model.train(was_training)
    return {"top1": 100 * right1.item() / n, "top5": 100 * right5.item() / n, "loss": loss.item() / n}
