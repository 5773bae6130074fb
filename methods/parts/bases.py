"""Block tensors as combinations of bases: tensor l of a kind is sum_t C[l, t] B_t. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def combined(coefficients: Tensor, bases: Mapping[str, Tensor]) -> Tensors:
    """The tensors of all blocks under timm's names, `blocks.<l>.<key>` = sum_t coefficients[l, t] bases[key][t].

    coefficients [L, T], bases: key within a block -> [T, *shape]; one stack, one product for all of them.
    """
    stack = torch.cat([base.flatten(1) for base in bases.values()], dim=1)
    sizes = [base[0].numel() for base in bases.values()]
    parts = (coefficients.to(stack) @ stack).split(sizes, dim=1)
    return {
        f"blocks.{block}.{key}": tensor
        for (key, base), part in zip(bases.items(), parts, strict=True)
        for block, tensor in enumerate(part.unflatten(1, base.shape[1:]).unbind())
    }


def linear(depth: int) -> Tensor:
    """Coefficients [depth, 2] of the linear expansion, rows 1, l / depth: a base and a slope that is never reached."""
    steps = torch.arange(depth, dtype=torch.float64)
    return torch.stack([torch.ones_like(steps), steps / depth], dim=1)


def fresh_bases(shapes: Mapping[str, Sequence[int]], count: int, draw: torch.Generator, std: float = 0.02) -> Tensors:
    """Starting bases [count, *shape]: matrices normal with `std` each; of vectors the first base is as timm starts it
    (norm weights 1, biases 0), the others 0."""
    bases = {}
    for key, shape in shapes.items():
        if len(shape) > 1:
            bases[key] = torch.randn(count, *shape, generator=draw) * std
        else:
            bases[key] = torch.zeros(count, *shape)
            bases[key][0] = float(key.startswith("norm") and key.endswith("weight"))
    return bases


def combined_rank_one(coefficients: Tensor, outputs: Tensor, inputs: Tensor) -> Tensor:
    """Matrices [L, out, in] of bases of rank one: sum_k coefficients[l, k] outputs[:, k] inputs[:, k]^T.

    coefficients [L, r], outputs [out, r], inputs [in, r]; one product for all layers.
    """
    return (coefficients[:, None, :] * outputs) @ inputs.T
