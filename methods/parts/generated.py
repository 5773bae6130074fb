"""A timm model whose weights are computed from other parameters on every forward. Imports torch: import it lazily."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from methods.base import HEAD, fill


class Generated(nn.Module):
    """A plain timm VisionTransformer, the `skeleton`, with the tensors named in `generated` taken out.

    A subclass holds parameters of its own and says in `weights` how they make those tensors; gradients flow through.
    What is not generated stays an ordinary parameter of the skeleton. Raises KeyError for a name that the skeleton
    does not have as a parameter.
    """

    skeleton: Any  # torch's types do not know what a timm model has

    def __init__(self, skeleton: nn.Module, generated: Iterable[str]) -> None:
        super().__init__()
        self.dense_names = list(skeleton.state_dict())  # all names and their order in the plain model
        parameters = dict(skeleton.named_parameters())
        for name in generated:
            if name not in parameters:
                raise KeyError(f"the model has no parameter {name!r} to generate")
            owner, _, leaf = name.rpartition(".")
            delattr(skeleton.get_submodule(owner), leaf)
        self.skeleton = skeleton
        self.num_classes, self.embed_dim = skeleton.num_classes, skeleton.embed_dim
        self.in_chans = self.skeleton.patch_embed.proj.in_channels

    def weights(self) -> dict[str, Tensor]:
        """The generated tensors by their names in the plain model, for all layers in batched products."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_classes] of images [B, C, H, W]."""
        # Full precision also under autocast, so that a bf16 step sees the weights that `materialize` would give.
        device = images.device.type
        with torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext():
            weights = self.weights()
        return functional_call(self.skeleton, weights, (images,))

    def no_weight_decay(self) -> set[str]:
        """timm's convention: parameters that optimisers do not decay."""
        return {f"skeleton.{name}" for name in self.skeleton.no_weight_decay()}

    def freeze_all_but(self, values: Iterable[nn.Parameter], *, head: bool) -> list[nn.Parameter]:
        """Freeze what a learngene stores; returns the rest, which belongs to a size: `values`, what blocks have of
        their own (norms, biases), and the head, unless it came from the learngene (`head`)."""
        rest = [*values, *self.skeleton.blocks.parameters(), *([] if head else self.skeleton.head.parameters())]
        self.requires_grad_(False)
        for parameter in rest:
            parameter.requires_grad_(True)
        return rest

    def give(self, target: nn.Module, *, head: bool) -> None:
        """Fill a plain model of this size in place; without `head` it keeps its own."""
        tensors = {name: t for name, t in self.materialize().items() if head or name not in HEAD}
        fill(target, tensors, fresh=() if head else HEAD)

    @torch.no_grad()
    def materialize(self) -> dict[str, Tensor]:
        """The complete state dict of the plain timm model: detached copies, in its own order."""
        tensors = {**self.skeleton.state_dict(), **self.weights()}
        return {name: tensors[name].detach().clone() for name in self.dense_names}
