"""One large ViT whose first channels, heads, hidden units and blocks are smaller ones. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from methods.parts.ranking import amounts, best_first
from methods.parts.reindex import reindex
from methods.parts.sizes import Shapes, shapes_of
from methods.vit import VitSpec, build_vit


def prefix(state: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """The tensors of a smaller net: the first entries of every axis, of the rows of q, k and v each. They are views.

    shapes: those of the smaller net, by name.
    """
    return {name: _first(name, state[name], shape) for name, shape in shapes.items()}


def _first(name: str, tensor: Tensor, shape: Sequence[int]) -> Tensor:
    if name.endswith((".attn.qkv.weight", ".attn.qkv.bias")):
        parts = tensor.unflatten(0, (3, -1))[:, : shape[0] // 3]
        return _corner(parts, (3, shape[0] // 3, *shape[1:])).flatten(0, 1)
    return _corner(tensor, shape)


def _corner(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    return tensor[tuple(slice(n) for n in shape)]


def in_order_of_weight(state: Mapping[str, Tensor], spec: VitSpec) -> dict[str, Tensor]:
    """The same network with its hidden units, heads and the channels of its stream in order, the heaviest first.

    Weight is the sum of |w|: for a unit over its column of fc2, for a head and a channel the mean over the tensors that
    share it. Equal ones keep their order.
    """
    sizes = {name: t.abs() for name, t in state.items()}
    hidden = [sizes[f"blocks.{i}.mlp.fc2.weight"].double().sum(0) for i in range(spec.depth)]
    return reindex(state, best_first(replace(amounts(sizes, spec), hidden=hidden), spec.head_dim))


class ElasticVit(nn.Module):
    """A timm VisionTransformer, the `net`, of which `forward` computes the sub-networks that were chosen last.

    sizes: what `choose` chooses from. At first the whole net is chosen. Sub-networks have no weights of their own: each
        is a net on the meta device that computes with prefixes of the one set of parameters.
    """

    def __init__(self, net: nn.Module, spec: VitSpec, sizes: Sequence[VitSpec]) -> None:
        super().__init__()
        self.net: Any = net
        self.num_classes, self.embed_dim, self.in_chans = spec.num_classes, spec.embed_dim, spec.in_chans
        self.sizes = list(sizes)
        self.shapes = [shapes_of(size) for size in sizes]
        with torch.device("meta"):
            self.skeletons = [(build_vit(size),) for size in sizes]  # in tuples, so that they are not registered
        self.chosen: tuple[int, ...] = ()

    def choose(self, chosen: Sequence[int]) -> tuple[int, ...]:
        """Let `forward` compute the sub-network, and `all_logits` the sub-networks, of these sizes (by number)."""
        self.chosen = tuple(chosen)
        return self.chosen

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, num_classes] of the sub-network that was chosen first, of the net before any was."""
        return self.logits(self.chosen[0], images) if self.chosen else self.net(images)

    def all_logits(self, images: Tensor) -> list[Tensor]:
        """The logits of all sub-networks that were chosen."""
        return [self.logits(size, images) for size in self.chosen] if self.chosen else [self.net(images)]

    def logits(self, size: int, images: Tensor) -> Tensor:
        weights = prefix(dict(self.net.named_parameters()), self.shapes[size])
        return functional_call(self.skeletons[size][0], weights, (images,))

    def no_weight_decay(self) -> set[str]:
        """timm's convention: parameters that optimisers do not decay."""
        return {f"net.{name}" for name in self.net.no_weight_decay()}
