"""Weight subcloning: the channels, heads and hidden units that are most active, rescaled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Lab
from methods.parts.ancestor_rule import Weights
from methods.parts.depth_maps import Down
from methods.parts.observe import observe
from methods.parts.ranking import Ranked, Scores
from methods.parts.reindex import Map, Maps, first, make_maps
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Subcloning(Ranked):
    """Weight subcloning: the target keeps the most active units of the ancestor, weights scaled to its width.

    Activity: of a channel of the stream the mean of |x| over images and tokens, added up over what enters each block
    and what leaves the last; of a head that of its outputs; of a hidden unit that of its activations.

    images: how many unlabelled images are looked at.
    scale: weights of q, k, v, proj, fc1, fc2 and head are multiplied by sqrt(inputs before / inputs after), so that
           outputs keep their size; biases, norms, patch embedding and positions are not.
    layers: the depth map of a shallower target, see depth_map; symmetric takes the middle blocks out.

    Stored: all of the ancestor but its head (with it where `head: transfer`), re-ordered, most active first.

    Source: Samragh et al., Weight subcloning: direct initialization of transformers using larger pretrained ones (arXiv
    2312.09299), full text; it uses 0.5 % of ImageNet's images, and trains at a 20 times lower learning rate than from
    scratch.
    Verified: activities, order, cut and scale against plain loops; in equal size the ancestor's function; with `scale`
    off and pruning's order the same as pruning.
    Assumed: the square root, which the text that could be read has lost, from the argument before it; which activations
    lie on the residual path; that patch embedding and positions are not scaled. images is a number: 6400 are 0.5 % of
    ImageNet.
    """

    images: int = 6400
    scale: bool = True
    layers: Down = "symmetric"
    at_start: ClassVar[tuple[str, ...]] = ("scale", "layers")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images < 1:
            raise ValueError(f"images must be at least 1, found {self.images}")

    def scores(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> Scores:
        return activities(ancestor, lab, self.images)

    def cut(self, ancestor: VitSpec, target: VitSpec) -> Maps:
        return (
            make_maps(ancestor, target, scaled_first, scaled_first, first, scaled_first)
            if self.scale
            else super().cut(ancestor, target)
        )


def scaled_first(n_from: int, n_to: int) -> Map:
    """The first `n_to` indices, columns times sqrt(n_from / n_to)."""
    return Map(first(n_from, n_to).index, math.sqrt(n_from / n_to))


def activities(model: nn.Module, lab: Lab | None, images: int) -> Scores:
    """Mean absolute activations of the units of `model` over images and tokens."""
    spec = spec_of(model)
    blocks = [f"blocks.{i}" for i in range(spec.depth)]
    at = [*blocks, "norm", *(f"{block}.{module}" for block in blocks for module in ("attn.proj", "mlp.fc2"))]
    sums: dict[str, Tensor] = {}
    tokens = 0

    def take(inputs: dict[str, Tensor]) -> None:
        nonlocal tokens
        for module in at:
            sums[module] = sums.get(module, 0) + inputs[module].flatten(0, -2).double().abs().sum(0)
        tokens += inputs["norm"].shape[:-1].numel()

    observe(model, lab, images, "subcloning", at, take)
    mean = {module: total / tokens for module, total in sums.items()}
    stream = sum((mean[module] for module in blocks), mean["norm"])
    heads = [mean[f"{block}.attn.proj"].view(spec.num_heads, spec.head_dim).mean(1) for block in blocks]
    return Scores(stream, heads, [mean[f"{block}.mlp.fc2"] for block in blocks])
