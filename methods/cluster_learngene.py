"""Cluster-Learngene: of heads that look equally far, one is kept; targets repeat the heads that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import MOSTLY_DECLARED, Lab
from methods.parts import depth_maps
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.observe import observe
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class ClusterLearngene(AncestorRule):
    """Cluster-Learngene, mostly declared, after its code: heads that look equally far are stored once.

    An adaptation: results are not to be compared with the paper's.

    In each block the heads are clustered by their mean attention distance, the sum over keys of attention times the
    distance of query and key in patches, averaged over queries and images. Of each cluster the head nearest its mean is
    kept, larger clusters first. Head i of a target takes q, k and v of kept head i mod n; all else is inherited. Depth
    changes by a map of blocks, width does not.

    eps:    heads whose distances, sorted, are no further apart than this are in one cluster (DBSCAN with clusters of
            one allowed); in patches, 0.625 being the code's 10 pixels at patches of 16.
    images: how many unlabelled images are looked at.
    layers: the block that each block of a target copies: interleave floor(i L / L'), g_stack i mod L, or, for
            shallower targets only, first or spaced.

    Stored: the ancestor without q, k and v of the heads that were not kept (its head where that transfers).

    Source: Wang et al., Cluster-Learngene, NeurIPS 2024, and its released code and notebook, as notes describe them.
    Verified: distances, clusters and kept heads against loops written down a second time; with every head a cluster of
    its own an equal size is the ancestor bit for bit; stored numbers.
    Assumed: clusters of equal size are in the order of their first head; a class token is left out of queries and keys,
    without dividing anew; depth by interleaving; projections stay whole.
    Declared differences: the released code cuts heads out of the flat rows of q, k and v, which mixes the three, loses
    their biases, lists the heads that its runs keep by hand, and makes some MLPs by small learned networks.
    """

    eps: float = 0.625
    images: int = 1000
    layers: Literal["interleave", "g_stack", "first", "spaced"] = "interleave"
    at_start: ClassVar[tuple[str, ...]] = ("layers",)
    uses: ClassVar[tuple[str, ...]] = ("images",)
    caution: ClassVar[str] = MOSTLY_DECLARED

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps < 0:
            raise ValueError(f"eps must not be negative, found {self.eps}")
        if self.images < 1:
            raise ValueError(f"images must be at least 1, found {self.images}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return mismatch(ancestor, target) or depth_maps.unservable(self.layers, ancestor.depth, target.depth)

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        distances = attention_distances(ancestor, lab, self.images)
        heads_of_blocks = [representatives(row, self.eps) for row in distances]
        tensors = dict(weights)
        for block, heads in enumerate(heads_of_blocks):
            for name in qkv(block):
                tensors[name] = of_heads(weights[name], heads, spec_of(ancestor).num_heads)
        return tensors, {"kept": heads_of_blocks, "attention_distances": distances}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        whole = dict(weights)
        for block, heads in enumerate(meta["kept"]):
            turns = [i % len(heads) for i in range(target.num_heads)]
            whole |= {name: of_heads(weights[name], turns, len(heads)) for name in qkv(block)}
        sources = depth_maps.blocks(self.layers, meta["ancestor"]["depth"], target.depth)
        return depth_maps.stack(whole, sources)


def qkv(block: int) -> tuple[str, str]:
    """Names of the fused q, k, v of a block."""
    return f"blocks.{block}.attn.qkv.weight", f"blocks.{block}.attn.qkv.bias"


def of_heads(tensor: Tensor, heads: Sequence[int], n: int) -> Tensor:
    """The rows of q, k and v of these of its `n` heads, in their order."""
    return tensor.unflatten(0, (3, n, -1))[:, list(heads)].flatten(0, 2)


def representatives(distances: Sequence[float], eps: float) -> list[int]:
    """The head that stands for each cluster of heads, the largest cluster first."""
    order = sorted(range(len(distances)), key=lambda head: distances[head])
    clusters = [order[:1]]
    for before, head in zip(order, order[1:], strict=False):
        if distances[head] - distances[before] > eps:
            clusters.append([])
        clusters[-1].append(head)
    clusters.sort(key=lambda cluster: (-len(cluster), min(cluster)))
    heads = []
    for cluster in clusters:
        mean = sum(distances[head] for head in cluster) / len(cluster)
        heads.append(min(sorted(cluster), key=lambda head: abs(distances[head] - mean)))
    return heads


def attention_distances(model: nn.Module, lab: Lab | None, images: int) -> list[list[float]]:
    """Mean attention distance of every head, in patches: [blocks][heads]."""
    import torch

    spec = spec_of(model)
    state = {name: t.detach() for name, t in model.state_dict().items()}
    side = spec.img_size // spec.patch_size
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).to(state["pos_embed"])
    apart = torch.cdist(places, places)
    sums, looks = torch.zeros(spec.depth, spec.num_heads, dtype=torch.double), 0

    def take(inputs: dict[str, Tensor]) -> None:
        nonlocal looks
        for block in range(spec.depth):
            weight, bias = (state[name] for name in qkv(block))
            rows = torch.nn.functional.linear(inputs[f"blocks.{block}.attn.qkv"], weight, bias)
            q, k, _ = rows.unflatten(-1, (3, spec.num_heads, -1)).permute(2, 0, 3, 1, 4)
            attention = (q @ k.transpose(-2, -1) * spec.head_dim**-0.5).softmax(-1)
            patches = attention[:, :, spec.class_token :, spec.class_token :]
            sums[block] += (patches * apart).sum(-1).mean(-1).double().sum(0).cpu()
        looks += len(rows)

    observe(model, lab, images, "attention distances", [f"blocks.{i}.attn.qkv" for i in range(spec.depth)], take)
    return (sums / looks).tolist()
