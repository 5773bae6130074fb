"""LEMON: growth to any larger width that computes exactly what the ancestor does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.depth_maps import blocks, stack, unservable
from methods.parts.reindex import Map, cannot_shrink, first, head_major, thirds
from methods.parts.roles import is_norm, reads, roles
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Draw = Callable[[str], "torch.Generator"]  # the generator of a tensor


@dataclass
class Lemon(AncestorRule):
    """LEMON: lossless growth to any larger width and up to twice the depth: the logits are the ancestor's.

    With d channels, d' in the target, q = floor(d' / d), r = d' mod d and s = sqrt(q d / d'): what writes the residual
    stream gives [x repeated q times, r times the mean of x] / s; norms have weights s [gamma repeated, r arbitrary
    numbers] and biases [beta repeated, r zeros], so that what they give is [y repeated, r zeros]. Heads and hidden
    units are repeated circularly. Columns that read m copies of an input are R_j - (sum of R - W) / m, those that read
    a zero R_j, with R drawn at std `noise`, so that copies do not stay equal for ever; one copy is W itself. Depth: the
    first 2 L - L' blocks once, each later one followed by a copy of itself that adds nothing.

    noise: the standard deviation of R.

    Stored: all of the ancestor but its head (with it where `head: transfer`).

    Source: Wang et al., LEMON: Lossless Model Expansion, ICLR 2024 (arXiv 2310.07999), after a third party's code; the
    formulas were derived again.
    Verified: equal logits, 1e-12 in float64 and 1e-4 in float32, also for widths that are no multiple and with random
    norms and biases; in equal size bit-equal; what the tensors hold against plain loops.
    Assumed: the stream is divided by s, where the paper scales the norms' eps, which does not survive into a run; both
    are equal. R with timm's std of 0.02. The arbitrary numbers in norms are drawn N(0, 1). Repeated blocks are silenced
    by zeros, the plainest of the paper's choices.
    """

    noise: float = 0.02
    at_start: ClassVar[tuple[str, ...]] = ("noise",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 0:
            raise ValueError(f"noise must not be negative, found {self.noise}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return cannot_shrink(ancestor, target) or unservable("double_last", ancestor.depth, target.depth)

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        wide = widened(weights, ancestor, target, lambda name: generator(lab, f"lemon {name}"), self.noise)
        return stack(wide, blocks("double_last", ancestor.depth, target.depth), zero_copies=True)


def widened(weights: Weights, ancestor: VitSpec, target: VitSpec, draw: Draw, noise: float = 0.02) -> dict[str, Tensor]:
    """The weights of a net of the target's width and the ancestor's depth that computes what the ancestor does."""
    return {name: _widened(name, tensor, ancestor, target, draw, noise) for name, tensor in weights.items()}


def _widened(name: str, tensor: Tensor, ancestor: VitSpec, target: VitSpec, draw: Draw, noise: float) -> Tensor:
    import torch

    old, new = ancestor.embed_dim, target.embed_dim
    times, residue = divmod(new, old)
    shrink = math.sqrt(times * old / new)
    stream = torch.cat([torch.arange(old).repeat(times), torch.full((residue,), -1)])  # -1: of no channel
    heads = Map(torch.arange(target.num_heads) % ancestor.num_heads)
    attention = head_major(heads, first(ancestor.head_dim, ancestor.head_dim), ancestor.head_dim).index
    hidden = torch.arange(target.hidden_dim) % ancestor.hidden_dim
    rows = {"qkv": thirds(attention, attention, attention, old), "hidden": hidden}
    columns = {"stream": stream, "attention": attention, "hidden": hidden}
    for dim, role in enumerate(roles(name)):
        if reads(name, dim):
            drawn = noise * torch.randn(len(tensor), len(columns[role]), generator=draw(name), dtype=torch.double)
            tensor = read(tensor, columns[role], drawn.to(tensor))
        elif role in rows:
            tensor = tensor[rows[role].to(tensor.device)]
        elif role == "stream" and is_norm(name):
            scale = name.endswith("weight")
            rest = torch.randn(residue, generator=draw(name), dtype=torch.double) if scale else torch.zeros(residue)
            tensor = torch.cat([*[tensor] * times, rest.to(tensor)]) * (shrink if scale else 1.0)
        elif role == "stream":
            mean = tensor.mean(dim, keepdim=True)
            tensor = torch.cat([tensor] * times + [mean] * residue, dim) / shrink
    return tensor


def read(weight: Tensor, index: Tensor, drawn: Tensor) -> Tensor:
    """Columns that read copies by `index` (-1: a zero): over the copies of an input they add up to its old column.

    drawn: [out, new], what the columns of several copies and of zeros are made of.
    """
    import torch

    index = index.to(weight.device)
    copies = torch.bincount(index[index >= 0], minlength=weight.shape[1])
    sums = torch.zeros_like(weight).index_add(1, index[index >= 0], drawn[:, index >= 0])
    surplus = (sums - weight) / copies
    filled = torch.where(copies[index] > 1, drawn - surplus[:, index], weight[:, index])
    return torch.where(index >= 0, filled, drawn)
