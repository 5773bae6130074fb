"""Attention weights as factors of a chosen product: queries times keys, projection times values. Imports torch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def noisy_identity(noise: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha * noise + beta * I for square matrices [..., d, d]."""
    return alpha * noise + beta * torch.eye(noise.shape[-1], dtype=noise.dtype)


def drawn_noise(*shape: int, kind: Literal["uniform", "normal"], draw: torch.Generator) -> Tensor:
    """Entries of variance 1 / d, d the last size: uniform within +-sqrt(3 / d), or normal."""
    if kind == "normal":
        return torch.randn(*shape, generator=draw) * shape[-1] ** -0.5
    return (2 * torch.rand(*shape, generator=draw) - 1) * (3 / shape[-1]) ** 0.5


def factors(product: Tensor) -> tuple[Tensor, Tensor]:
    """(U sqrt(S), sqrt(S) V^T) of the singular value decompositions of [..., d, d], largest values first."""
    u, s, vh = torch.linalg.svd(product)
    root = s.sqrt()
    return u * root[..., None, :], root[..., :, None] * vh


def query_key(products: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Queries and keys [heads, head_dim, d] whose W_q^T W_k is the best of rank `head_dim` for products [heads, d, d].

    Singular values are shared evenly between the two.
    """
    left, right = factors(products)
    return left[..., :head_dim].mT, right[..., :head_dim, :]


def value_projection(product: Tensor) -> tuple[Tensor, Tensor]:
    """Values and projection [d, d] with projection @ values = product^T."""
    left, right = factors(product)
    return left.mT, right.mT


def fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """timm's fused qkv weight [3d, d] of queries and keys [heads, head_dim, d] and values [d, d]."""
    return torch.cat([query.flatten(0, 1), key.flatten(0, 1), value])
