"""PCA of the residual stream: a narrower target keeps its directions of largest variance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Lab
from methods.parts.ancestor_rule import Weights
from methods.parts.depth_maps import Down, relayered
from methods.parts.observe import observe
from methods.parts.ranking import Ranked, amounts, best_first
from methods.parts.reindex import first, prefix, reindex
from methods.parts.roles import is_norm, reads, roles
from methods.parts.weights import generator
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

READERS = {"norm1": "attn.qkv", "norm2": "mlp.fc1", "norm": "head", "fc_norm": "head"}  # what reads each norm


@dataclass
class Pca(Ranked):
    """Ours, after SliceGPT: the target's stream is the ancestor's in its directions of largest variance.

    Norms are folded into what reads them. The stream is projected onto the complement of (1, ..., 1), which takes its
    means out; there LayerNorm only divides. In it the stream is rotated onto the eigenvectors of the second moment of
    all inputs of norms, each token scaled to unit variance; a target of width d' keeps the first d' - 1 of them, laid
    out in d' channels that add up to 0. Heads and hidden units are cut by the l2 score of pruning.

    images: how many unlabelled images are looked at.
    layers: the depth map of a shallower target, see depth_map.

    Stored: the folded, rotated net (no norms, d - 1 of d coordinates of the stream), its head only where `head:
    transfer`; heads and units best first.

    Source: ours. The idea of rotating the stream onto principal components is SliceGPT's (Ashkboos et al., ICLR 2024,
    arXiv 2401.15024, code microsoft/TransformerCompression).
    Verified: in equal width the logits are the ancestor's; so are those of a narrower target where the ancestor's
    stream has no more directions than it keeps and what is cut of heads and units gave nothing; the
    directions against numpy's.
    Assumed: everything else: SliceGPT rotates each block by itself and puts matrices on the shortcuts, which a plain
    timm ViT does not have; here one rotation serves all blocks.
    """

    images: int = 1024
    layers: Down = "spaced"
    at_start: ClassVar[tuple[str, ...]] = ("layers",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images < 1:
            raise ValueError(f"images must be at least 1, found {self.images}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        reason = "a stream of one channel has no direction beside its mean" if target.embed_dim == 1 else None
        return super().supports(ancestor, target) or reason

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        import torch

        spec = spec_of(ancestor)
        basis = directions(ancestor, lab, self.images)
        rotated = projected(folded(weights), basis.T, basis)
        squares = {name: tensor.square() for name, tensor in rotated.items()}
        in_order = replace(amounts(squares, spec), stream=-torch.arange(spec.embed_dim - 1))
        return reindex(rotated, best_first(in_order, spec.head_dim)), {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        width, ratio = target.embed_dim, target.embed_dim / ancestor.embed_dim
        maps = replace(prefix(ancestor, target), stream=first(ancestor.embed_dim - 1, width - 1))
        rows = helmert(width)
        narrow = projected(reindex(weights, maps), math.sqrt(ratio) * rows.T, rows)
        blocks = [f"blocks.{i}.{norm}" for i in range(ancestor.depth) for norm in ("norm1", "norm2")]
        for norm in [*blocks, "norm"]:
            narrow[f"{norm}.weight"] = weights["pos_embed"].new_full((width,), 1 / math.sqrt(ratio))
            narrow[f"{norm}.bias"] = weights["pos_embed"].new_zeros(width)
        return relayered(narrow, self.layers, ancestor.depth, target.depth, generator(lab, "shuffled"))


def folded(weights: Weights) -> dict[str, Tensor]:
    """The weights without those of norms, which go into what reads each norm."""
    result = {name: tensor for name, tensor in weights.items() if not is_norm(name)}
    for name, scale in weights.items():
        if not is_norm(name) or not name.endswith(".weight"):
            continue
        norm = name.removesuffix(".weight")
        reader = norm.replace(norm.split(".")[-1], READERS[norm.split(".")[-1]])
        matrix = weights[f"{reader}.weight"]
        result[f"{reader}.weight"] = matrix * scale
        result[f"{reader}.bias"] = weights[f"{reader}.bias"] + matrix @ weights[f"{norm}.bias"]
    return result


def projected(weights: Weights, write: Tensor, read: Tensor) -> dict[str, Tensor]:
    """`weights` (without norms) of which what writes the stream is multiplied by `write` [new, old] from the left, what
    reads it by `read` [old, new] from the right."""
    result = dict(weights)
    for name, tensor in weights.items():
        for dim, role in enumerate(roles(name)):
            if role == "stream":
                matrix = read.T if reads(name, dim) else write
                moved = tensor.double().movedim(dim, -1) @ matrix.T.to(tensor.device)
                result[name] = moved.movedim(-1, dim).to(tensor.dtype).contiguous()
    return result


def helmert(n: int) -> Tensor:
    """[n - 1, n] orthonormal rows that each add up to 0: row k has k + 1 equal entries, then their negative sum."""
    import torch

    rows = torch.zeros(n - 1, n, dtype=torch.double)
    for k in range(n - 1):
        rows[k, : k + 1] = 1 / math.sqrt((k + 1) * (k + 2))
        rows[k, k + 1] = -math.sqrt((k + 1) / (k + 2))
    return rows


def directions(model: nn.Module, lab: Lab | None, images: int) -> Tensor:
    """[d, d - 1] orthonormal columns that add up to 0: principal directions of all inputs of norms, largest first."""
    import torch

    spec = spec_of(model)
    last = "fc_norm" if spec.global_pool == "avg" else "norm"
    at = [*(f"blocks.{i}.{norm}" for i in range(spec.depth) for norm in ("norm1", "norm2")), last]
    rows = helmert(spec.embed_dim)
    moment = torch.zeros(spec.embed_dim - 1, spec.embed_dim - 1, dtype=torch.double)

    def take(inputs: dict[str, Tensor]) -> None:
        nonlocal moment
        for module in at:
            x = inputs[module].flatten(0, -2).double() @ rows.T.to(inputs[module].device)  # its mean is left out
            unit = torch.nn.functional.normalize(x)  # per token: its variance without the factor d
            moment = moment + (unit.T @ unit).cpu()

    observe(model, lab, images, "pca", at, take)
    return rows.T @ torch.linalg.eigh(moment).eigenvectors.flip(1)
