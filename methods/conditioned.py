"""Conditioned initialisation: well-conditioned attention weights, orthonormal queries and keys, identity values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import MOSTLY_DECLARED, Lab
from methods.parts.data_free import DataFree
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Conditioned(DataFree):
    """Mostly declared by us, after a note on the paper: orthonormal queries and keys, values the identity.

    head: has no effect: there is no head to transfer.

    Per block and head W_q and W_k [head_dim, d] are random with orthonormal rows; W_v is the identity. Any size; stores
    nothing; all else keeps timm's start.

    Source: a paper of ICLR 2026 on conditioning attention at initialisation (openreview cKNOCYPo2W), known from a note
    only, so this cannot stand for the paper's method.
    Verified: orthonormal rows per head, the identity, the layout, against loops; not a number of the paper.
    Assumed: nearly all. The note's rectangular identity per head has two readings; ours is the identity of the fused
    values, in which head i reads its own channels. No factor on queries and keys; the projection is left alone.
    """

    at_start: ClassVar[tuple[str, ...]] = ("head",)
    caution: ClassVar[str] = MOSTLY_DECLARED

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        import torch

        from methods.parts.factors import fused

        draw, width = generator(lab, "conditioned"), spec.embed_dim
        shape = (spec.num_heads, spec.head_dim, width)
        tensors = {}
        for block in range(spec.depth):
            query, key = (
                torch.stack([torch.nn.init.orthogonal_(head, generator=draw) for head in torch.empty(shape)])
                for _ in ("query", "key")
            )
            tensors[f"blocks.{block}.attn.qkv.weight"] = fused(query, key, torch.eye(width))
        return tensors
