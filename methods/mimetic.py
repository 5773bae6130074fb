"""Mimetic initialisation: attention starts with the products of weights that trained transformers show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Lab
from methods.parts.data_free import DataFree
from methods.parts.weights import check_choices, generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Mimetic(DataFree):
    """Queries times keys start near the identity, projection times values near its negative. Stores nothing.

    alpha_qk, beta_qk: per block and head W_q^T W_k is the best of rank head_dim for alpha_qk Z + beta_qk I.
    alpha_v, beta_v:   per block W_proj W_v is the transpose of alpha_v Z - beta_v I.
    noise:             entries of Z: uniform within +-sqrt(3 / d), or normal of the same variance.
    positions:         factor on the target's own draw of the positions.
    head:              has no effect: there is no head to transfer.

    With the singular value decomposition U S V^T of a product, U sqrt(S) goes to one factor and sqrt(S) V^T to the
    other. Any size; biases and all other weights keep timm's start.

    Source: Trockman and Kolter, Mimetic Initialization of Self-Attention Layers, ICML 2023 (arXiv 2305.09828); read in
    two third parties' implementations.
    Verified: both products against decompositions in float64, the scale of Z, factors of equal size; layout by heads.
    Assumed: constants 0.7, 0.7, 0.4, 0.4 as in those implementations. Positions are timm's (the paper uses sinusoidal
    ones); one of the implementations leaves W_v and W_proj untransposed, which gives another product.
    """

    alpha_qk: float = 0.7
    beta_qk: float = 0.7
    alpha_v: float = 0.4
    beta_v: float = 0.4
    noise: Literal["uniform", "normal"] = "uniform"
    positions: float = 1.0

    at_start: ClassVar[tuple[str, ...]] = ("head", "alpha_qk", "beta_qk", "alpha_v", "beta_v", "noise", "positions")

    def __post_init__(self) -> None:
        check_choices(self)

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        from methods.parts.factors import drawn_noise, fused, noisy_identity, query_key, value_projection

        draw, width = generator(lab, "mimetic"), spec.embed_dim
        tensors = {} if self.positions == 1.0 else {"pos_embed": fresh["pos_embed"] * self.positions}
        for block in range(spec.depth):
            z = drawn_noise(spec.num_heads, width, width, kind=self.noise, draw=draw)
            query, key = query_key(noisy_identity(z, self.alpha_qk, self.beta_qk), spec.head_dim)
            z = drawn_noise(width, width, kind=self.noise, draw=draw)
            value, projection = value_projection(noisy_identity(z, self.alpha_v, -self.beta_v))
            tensors[f"blocks.{block}.attn.qkv.weight"] = fused(query, key, value)
            tensors[f"blocks.{block}.attn.proj.weight"] = projection
        return tensors
