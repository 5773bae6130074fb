"""HyperCloning: whole copies of every channel, with the same function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.depth_maps import Up, relayered, unservable
from methods.parts.reindex import Maps, cannot_shrink, cyclic, head_major, make_maps, reindex
from methods.parts.roles import block_of
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass
class HyperCloning(AncestorRule):
    """HyperCloning: the target is n copies of the ancestor side by side, and computes what the ancestor does.

    Every tensor is repeated n times in each dimension; where columns are summed over, they are divided by n. Widths and
    hidden widths have to be whole multiples. In equal depth the logits are the ancestor's.

    heads: more: n times as many heads; wider: as many heads, each n times as wide: channels are repeated within heads,
           and q and k are multiplied by n^(-1/4), because attention divides by the root of the larger width.
    snr_db: none, or noise of that signal-to-noise ratio: of two neighbouring copies of a block of columns of q, k, v,
           proj, fc1 and fc2 one gets it added, the other subtracted, so that the function stays and copies, whose
           gradients would be equal for ever, part.
    layers: the depth map of a deeper target, see depth_map; then the logits change.

    Stored: all of the ancestor but its head (with it where `head: transfer`).

    Source: Samragh et al., Scaling Smart: Accelerating Large Language Model Pre-training with Small Model
    Initialization (arXiv 2409.12903), and its code apple/ml-hypercloning.
    Verified: entries against plain loops; equal logits for n = 2 and 3, both kinds of heads, with and without noise;
    the power of the noise, that of the block as it stands in the target / 10^(snr_db / 10), exactly.
    Assumed: the paper is about language models; patch embedding and positions are repeated as its embeddings are. wider
    repeats within heads, where the code repeats rows regardless of heads and so mixes them. Depth is ours: the paper
    grows width only.
    """

    heads: Literal["more", "wider"] = "more"
    snr_db: float | None = None
    layers: Up = "interleave"
    at_start: ClassVar[tuple[str, ...]] = ("heads", "snr_db", "layers")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        if reason := cannot_shrink(ancestor, target, "head_dim" if self.heads == "more" else "num_heads"):
            return reason
        for name in ("embed_dim", "hidden_dim"):
            have, want = getattr(ancestor, name), getattr(target, name)
            if want % have:
                return f"{name} must be a whole multiple of the ancestor's {have}: target {want}"
        return unservable(self.layers, ancestor.depth, target.depth)

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        maps = copies(ancestor, target)
        wide = reindex(weights, maps)
        if self.snr_db is not None:
            wide = noisy(wide, maps, self.snr_db, lambda name: generator(lab, f"hypercloning {name}"))
        return relayered(wide, self.layers, ancestor.depth, target.depth)


def copies(ancestor: VitSpec, target: VitSpec) -> Maps:
    """All maps i mod the old size, columns divided by the number of copies, q and k by its fourth root within heads."""
    maps = make_maps(ancestor, target, cyclic, cyclic, cyclic, cyclic)
    kappa = (target.head_dim / ancestor.head_dim) ** -0.25
    blocks = [replace(block, qk=replace(block.qk, factor=kappa)) for block in maps.blocks]
    return replace(maps, blocks=blocks)


def noisy(weights: Weights, maps: Maps, snr_db: float, draw: Callable[[str], torch.Generator]) -> dict[str, Tensor]:
    """`weights`, reindexed by `maps`, with noise that adds up to nothing over each pair of copies of columns."""
    import torch

    result = dict(weights)
    for name, tensor in weights.items():
        block, key = block_of(name)
        if block is None or tensor.ndim != 2:
            continue
        inner = maps.blocks[block]
        qk, v = (head_major(inner.heads, channels, maps.head_dim).index for channels in (inner.qk, inner.v))
        stream, hidden = maps.stream.index, inner.hidden.index
        rows, columns = {
            "attn.qkv.weight": ([qk, qk, v], stream),
            "attn.proj.weight": ([stream], v),
            "mlp.fc1.weight": ([hidden], stream),
            "mlp.fc2.weight": ([stream], hidden),
        }[key]
        numbers = draw(name)
        parts = tensor.clone().split([len(part) for part in rows])
        for part, index in zip(parts, rows, strict=True):
            _add_noise(part, copies_of(index), copies_of(columns), snr_db, numbers)
        result[name] = torch.cat(parts)
    return result


def copies_of(index: Tensor) -> Tensor:
    """Where the copies are, [copies, old]: of a map onto all old indices that takes each equally often."""
    n_from = int(index.max()) + 1
    return index.argsort(stable=True).view(n_from, -1).T


def _add_noise(weight: Tensor, rows: Tensor, columns: Tensor, snr_db: float, draw: torch.Generator) -> None:
    import torch

    for row in rows:
        for one, other in zip(columns[::2], columns[1::2], strict=False):  # an odd last copy stays
            block = weight[row[:, None], one]
            noise = torch.randn(block.shape, generator=draw, dtype=torch.double)
            power = block.double().square().mean().cpu() / 10 ** (snr_db / 10)
            noise = (noise * (power / noise.square().mean()).sqrt()).to(weight)
            weight[row[:, None], one] += noise
            weight[row[:, None], other] -= noise
