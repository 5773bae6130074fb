"""DCT attention: the weights of keys, or of queries or values, start as the discrete cosine transform."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Lab
from methods.parts.data_free import DataFree
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import Tensor

Part = Literal["q", "k", "v"]
PARTS: tuple[Part, ...] = ("q", "k", "v")


@dataclass
class DctAttention(DataFree):
    """Keys of all blocks start as the orthonormal DCT-II matrix, row = frequency. Stores nothing.

    parts: which of q, k and v; the others are drawn from the lab as timm draws them.
    head:  has no effect: there is no head to transfer.

    Any size; all but the fused qkv weights keeps timm's start.

    Source: Pan et al., Discrete Cosine Transform Based Decorrelated Attention for Vision Transformers (arXiv
    2405.13901), and its released code, which is for Swin.
    Verified: the matrix against its formula in loops and its orthonormality; which rows of qkv it fills.
    Assumed: that a plain ViT is treated as the Swin. In the released code of the trainable variant a later loop over
    all linear layers draws these weights anew; ours keeps them.
    """

    parts: list[Part] = field(default_factory=lambda: ["k"])

    at_start: ClassVar[tuple[str, ...]] = ("head", "parts")

    def __post_init__(self) -> None:
        if not self.parts or len(set(self.parts)) != len(self.parts) or not set(self.parts) <= set(PARTS):
            raise ValueError(f"parts needs one or more of q, k, v, each once; found {self.parts}")

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        import torch

        draw, width = generator(lab, "dct_attention"), spec.embed_dim
        transform, tensors = dct_matrix(width), {}
        for block in range(spec.depth):
            weights = torch.nn.init.trunc_normal_(torch.empty(3, width, width), std=0.02, generator=draw)
            for i, part in enumerate(PARTS):
                if part in self.parts:
                    weights[i] = transform
            tensors[f"blocks.{block}.attn.qkv.weight"] = weights.flatten(0, 1)
        return tensors


def dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II matrix [size, size]: row k is the cosine of frequency k."""
    import torch

    steps = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * torch.outer(steps, steps + 0.5)) * (2 / size) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.float()
