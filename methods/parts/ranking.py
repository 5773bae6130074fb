"""Scores of channels, heads and hidden units: the ancestor is stored best first, and a target is cut off the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.depth_maps import Down, relayered, unservable
from methods.parts.reindex import BlockMaps, Map, Maps, cannot_grow, prefix, reindex
from methods.parts.roles import block_of, roles
from methods.parts.weights import generator
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Scores:
    """How much each unit matters: channels of the stream [d], and of each block its heads [h] and hidden units [u]."""

    stream: Tensor
    heads: Sequence[Tensor]
    hidden: Sequence[Tensor]


@dataclass
class Ranked(AncestorRule):
    """Cuts the best channels, heads and hidden units out of an ancestor that is stored in the order of its `scores`."""

    layers: Down = "spaced"

    def scores(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> Scores:
        """What the units of the ancestor are ranked by."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it ranks by")

    def cut(self, ancestor: VitSpec, target: VitSpec) -> Maps:
        """The maps from the ranked ancestor to the target's width."""
        return prefix(ancestor, target)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return cannot_grow(ancestor, target) or unservable(self.layers, ancestor.depth, target.depth)

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        return reindex(weights, best_first(self.scores(ancestor, weights, lab), spec_of(ancestor).head_dim)), {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        narrow = reindex(weights, self.cut(ancestor, target))
        return relayered(narrow, self.layers, ancestor.depth, target.depth, generator(lab, "shuffled"))


def best_first(scores: Scores, head_dim: int) -> Maps:
    """The maps that put the units of the highest scores first, of equals the one of the lower index."""
    import torch

    def order(score: Tensor) -> Map:
        return Map(score.cpu().argsort(descending=True, stable=True))

    within = Map(torch.arange(head_dim))
    blocks = [BlockMaps(order(h), within, within, order(u)) for h, u in zip(scores.heads, scores.hidden, strict=True)]
    return Maps(order(scores.stream), blocks, head_dim)


def amounts(weights: Weights, spec: VitSpec) -> Scores:
    """The mean over the tensors that share a unit of the sum of the entries of `weights` that belong to it.

    A hidden unit is a row of fc1 and a column of fc2, a head its rows of q, k and v and its columns of proj, a channel
    of the stream whatever reads or writes it and the weights of norms. Biases, positions and class token are left out.
    """
    import torch

    stream: list[Tensor] = []
    heads: list[list[Tensor]] = [[] for _ in range(spec.depth)]
    hidden: list[list[Tensor]] = [[] for _ in range(spec.depth)]
    for name, tensor in weights.items():
        if not name.endswith(".weight"):
            continue
        block, key = block_of(name)
        for dim, role in enumerate(roles(name)):
            sums = tensor.double().movedim(dim, 0).flatten(1).sum(1) if tensor.ndim > 1 else tensor.double()
            if role == "stream":
                stream.append(sums)
            elif role == "hidden" and block is not None:
                hidden[block].append(sums)
            elif role in ("qkv", "attention") and block is not None:
                heads[block] += sums.view(-1, spec.num_heads, spec.head_dim).sum(2).unbind()

    def mean(sums: list[Tensor]) -> Tensor:
        return torch.stack(sums).mean(0)

    return Scores(mean(stream), [mean(sums) for sums in heads], [mean(sums) for sums in hidden])
