"""bert2BERT and Net2Net: added channels, heads and units are copies of old ones at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.depth_maps import Up, relayered, stack, unservable
from methods.parts.reindex import Map, Maps, cannot_shrink, first, make_maps, reindex, shared
from methods.parts.roles import block_of
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass
class Bert2Bert(AncestorRule):
    """bert2BERT: a wider net of old channels and random copies of them; added units may be the next block's.

    New channels of the stream, heads and hidden units are the old ones, then old ones drawn at random: one draw for the
    stream, one of heads and one of units for each block. Where columns are summed over, those of the copies are divided
    by their number; norms are copied.

    rule: fpi: added heads and units are copies of the block's own; aki: of those at the same place in the next block
          (the last block as fpi), rows of q, k, v and fc1 with their biases and columns of proj and fc2.
    layers: the depth map of a deeper target, see depth_map; the added width comes first.

    Stored: all of the ancestor but its head (with it where `head: transfer`).

    Source: Chen et al., bert2BERT: Towards Reusable Pretrained Language Models, ACL 2022 (arXiv 2110.07143), after a
    third party's code, zxhcelestes/bert2BERT.
    Verified: entries against plain loops; fpi: attention, MLP and head compute the same on a repeated input, and where
    only hidden units are added the logits are the ancestor's.
    Assumed: that norms are copied (the code divides them by the counts). LayerNorm sees a stream in which some channels
    count more often than others, so that the logits change when the width grows, with fpi too.
    """

    rule: Literal["aki", "fpi"] = "aki"
    layers: Up = "bert2bert_depth"
    at_start: ClassVar[tuple[str, ...]] = ("rule", "layers")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return cannot_shrink(ancestor, target) or unservable(self.layers, ancestor.depth, target.depth)

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        maps = random_copies(ancestor, target, generator(lab, "bert2bert"))
        wide = aki(weights, maps, ancestor) if self.rule == "aki" else reindex(weights, maps)
        return relayered(self.disturbed(wide, ancestor, lab), self.layers, ancestor.depth, target.depth)

    def disturbed(self, wide: Weights, ancestor: VitSpec, lab: Lab | None) -> Weights:
        """The wider net before it gets deeper, with noise where a method has any."""
        return wide


@dataclass
class Net2Net(Bert2Bert):
    """Net2Net: a wider net of old channels and random copies of them, deeper by blocks that add nothing.

    Width as bert2BERT's fpi, depth by llama_pro: copies of blocks that are silenced.

    rule: fpi only.
    layers: the depth map of a deeper target, see depth_map.
    noise: standard deviation of normal noise on the rows that write added channels, heads and units (patch embedding,
           q, k, v, proj, fc1, fc2), in parts of the tensor's own; without it copies stay equal for ever.

    Stored: all of the ancestor but its head (with it where `head: transfer`).

    Source: Chen et al., Net2Net: Accelerating Learning via Knowledge Transfer, ICLR 2016 (arXiv 1511.05641); its wider
    rule as read in a third party's code.
    Verified: entries against plain loops, as bert2BERT's fpi; the logits are the ancestor's where only hidden units or
    depth grow and noise is 0.
    Assumed: the paper's identity layer has no form in a ViT: silenced copies take its place, for up to twice the depth.
    Where the noise goes and in what unit it is. The width of the stream cannot grow exactly, because of LayerNorm.
    """

    rule: Literal["fpi"] = "fpi"  # type: ignore[assignment]  # narrower than bert2BERT's
    layers: Up = "llama_pro"
    noise: float = 0.0
    at_start: ClassVar[tuple[str, ...]] = ("rule", "layers", "noise")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 0:
            raise ValueError(f"noise must not be negative, found {self.noise}")

    def disturbed(self, wide: Weights, ancestor: VitSpec, lab: Lab | None) -> Weights:
        return (
            with_noise(wide, ancestor, self.noise, lambda name: generator(lab, f"net2net {name}"))
            if self.noise
            else wide
        )


def random_copies(ancestor: VitSpec, target: VitSpec, draw: torch.Generator) -> Maps:
    """The old indices, then old ones drawn at random, columns divided by the counts; channels within heads stay."""
    import torch

    def onto(n_from: int, n_to: int) -> Map:
        return shared(torch.cat([torch.arange(n_from), torch.randint(n_from, (n_to - n_from,), generator=draw)]))

    return make_maps(ancestor, target, onto, onto, first, onto)


def aki(weights: Weights, maps: Maps, ancestor: VitSpec) -> dict[str, Tensor]:
    """Reindexed by `maps`, the added heads and units of a block out of the next one; the last block's are its own."""
    import torch

    grown = reindex(weights, maps)
    following = reindex(stack(weights, [*range(1, ancestor.depth), ancestor.depth - 1]), maps)
    for name, tensor in grown.items():
        key, later = block_of(name)[1], following[name]
        if key.startswith("attn.qkv."):
            qkv, later_qkv = tensor.chunk(3), later.chunk(3)
            rows = [
                torch.cat([a[: ancestor.embed_dim], b[ancestor.embed_dim :]])
                for a, b in zip(qkv, later_qkv, strict=True)
            ]
            grown[name] = torch.cat(rows)
        elif key.startswith("mlp.fc1."):
            grown[name] = torch.cat([tensor[: ancestor.hidden_dim], later[ancestor.hidden_dim :]])
        elif key in ("attn.proj.weight", "mlp.fc2.weight"):
            old = ancestor.embed_dim if key == "attn.proj.weight" else ancestor.hidden_dim
            grown[name] = torch.cat([tensor[:, :old], later[:, old:]], 1)
    return grown


def with_noise(
    wide: Weights, ancestor: VitSpec, noise: float, draw: Callable[[str], torch.Generator]
) -> dict[str, Tensor]:
    """`wide` with normal noise of `noise` times a tensor's standard deviation on the rows that are copies."""
    import torch

    result = dict(wide)
    old = {"patch_embed.proj.weight": ancestor.embed_dim, "attn.qkv.weight": ancestor.embed_dim}
    old |= {
        "attn.proj.weight": ancestor.embed_dim,
        "mlp.fc1.weight": ancestor.hidden_dim,
        "mlp.fc2.weight": ancestor.embed_dim,
    }
    for name, tensor in wide.items():
        key = block_of(name)[1]
        if key in old:
            drawn = torch.randn(tensor.shape, generator=draw(name), dtype=torch.double).to(tensor) * (
                noise * tensor.std()
            )
            added = torch.cat([torch.arange(len(part)) >= old[key] for part in tensor.chunk(3 if "qkv" in key else 1)])
            result[name] = torch.where(
                added.to(tensor.device).view(-1, *[1] * (tensor.ndim - 1)), tensor + drawn, tensor
            )
    return result
