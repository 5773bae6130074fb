"""Impulse initialisation: each head starts by looking at one neighbour of every patch, as a convolution would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Lab
from methods.parts.data_free import DataFree
from methods.parts.weights import generator
from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NEIGHBOURS = (4, 1, 5, 3, 7, 0, 2, 6, 8)  # of a 3 x 3 window, row by row: the centre, its sides, its corners


@dataclass
class Impulse(DataFree):
    """Queries and keys are solved for attention that is a shift of the patch grid, another for each head.

    positions: factor on positions drawn with std 0.02, which are set: queries and keys are solved for them.
    gain:      factor on queries and on keys, each of Frobenius norm 1 per head.
    alpha_v:   values and projection as in mimetic, with this factor on the noise,
    beta_v:    and this one on the identity.
    head:      has no effect: there is no head to transfer.

    Head i attends to neighbour 4, 1, 5, 3, 7, 0, 2, 6, 8 (of a 3 x 3 window, row by row), then from the start again.
    With P the patch positions, normalised as by a LayerNorm, M [N, N] is 1000 where the key is that neighbour of the
    query, else 3 * a normal draw of std 0.6 truncated at +-2; W_q^T W_k is in the direction of P+ M P+^T, P+ the
    pseudo-inverse of P of rank head_dim. Any size; stores nothing; all else keeps timm's start.

    Source: Zheng et al., Structured Initialization for Vision Transformers, NeurIPS 2025 (arXiv 2505.19985), and its
    released code.
    Verified: constants as read in the released code; the product, the shifts, the norms of the factors and what a head
    then attends to against loops in float64.
    Assumed: a neighbour outside of the grid has no entry of 1000; the LayerNorm has eps 1e-6; the noise is truncated at
    +-2. The rank is at most the numerical rank of P: with fewer patches than head_dim (as in small images) the released
    code divides by nearly 0. Channels beyond that rank have keys of 0 and queries of std 0.02, which leave the product
    as it is and can learn. The position of a class token is drawn alike and left out of P.
    """

    positions: float = 18.0
    gain: float = 7.0
    alpha_v: float = 0.4
    beta_v: float = 0.4

    at_start: ClassVar[tuple[str, ...]] = ("head", "positions", "gain", "alpha_v", "beta_v")

    def __post_init__(self) -> None:
        for name in ("positions", "gain"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        import torch

        from methods.parts.factors import drawn_noise, fused, noisy_identity, query_key, value_projection

        draw, width = generator(lab, "impulse"), spec.embed_dim
        positions = torch.empty(1, spec.tokens, width)
        positions = torch.nn.init.trunc_normal_(positions, std=0.02, generator=draw) * self.positions
        tensors = {"pos_embed": positions}
        basis, inverse = pseudo_inverse(normalised(positions[0, spec.class_token :].double()), spec.head_dim)
        side, idle = spec.img_size // spec.patch_size, spec.head_dim - len(inverse)
        for block in range(spec.depth):
            maps = impulses(side, spec.num_heads, draw).double()
            # within the basis, where the product of weights is small: what is orthogonal to it is 0 in the product
            query, key = query_key(inverse @ maps @ inverse.T, spec.head_dim)
            query, key = (self.gain * (w / torch.linalg.matrix_norm(w, keepdim=True)) @ basis.T for w in (query, key))
            rest = torch.randn(spec.num_heads, idle, width, generator=draw) * 0.02
            query, key = torch.cat([query, rest], 1), torch.cat([key, torch.zeros_like(rest)], 1)
            z = drawn_noise(width, width, kind="uniform", draw=draw)
            value, projection = value_projection(noisy_identity(z, self.alpha_v, -self.beta_v))
            tensors[f"blocks.{block}.attn.qkv.weight"] = fused(query.to(value), key.to(value), value)
            tensors[f"blocks.{block}.attn.proj.weight"] = projection
        return tensors


def shift(side: int, neighbour: int) -> Tensor:
    """A matrix [N, N] of zeros and ones: row p has a 1 at that neighbour of patch p in a grid of side x side."""
    import torch

    down, right = neighbour // 3 - 1, neighbour % 3 - 1
    rows, columns = (torch.diag(torch.ones(side - abs(by)), by) for by in (down, right))
    return torch.kron(rows, columns)


def impulses(side: int, heads: int, draw: torch.Generator) -> Tensor:
    """The wanted attention logits [heads, N, N]: 1000 at the neighbour of each head, noise elsewhere."""
    import torch

    shifts = torch.stack([shift(side, NEIGHBOURS[head % len(NEIGHBOURS)]) for head in range(heads)])
    noise = torch.nn.init.trunc_normal_(torch.empty_like(shifts), std=0.6, generator=draw)
    return torch.where(shifts == 1, 1000.0, 3 * noise)


def normalised(positions: Tensor) -> Tensor:
    """Rows [N, d] as a LayerNorm without weights gives them."""
    import torch

    return torch.nn.functional.layer_norm(positions, positions.shape[-1:], eps=1e-6)


def pseudo_inverse(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The pseudo-inverse of a matrix [N, d] as an orthonormal basis [d, r] times coordinates [r, N].

    It is made of the `rank` largest singular values, or of as many as the matrix has.
    """
    import torch

    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    limit = s[0] * max(matrix.shape) * torch.finfo(matrix.dtype).eps
    rank = min(rank, int((s > limit).sum()))
    return vh[:rank].T, u[:, :rank].T / s[:rank, None]
