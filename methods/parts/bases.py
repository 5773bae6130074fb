"""Block tensors as combinations of bases: tensor l of a kind is sum_t C[l, t] B_t. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.parts.generated import Generated

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


def one_hot(sources: Sequence[int], count: int) -> Tensor:
    """Coefficients [L, count] under which block l is base sources[l]: layer copying, and sharing within stages."""
    return torch.eye(count)[list(sources)]


def linear(depth: int) -> Tensor:
    """Coefficients [depth, 2] of the linear expansion, rows 1, l / depth: a base and a slope that is never reached."""
    return torch.stack([torch.ones(depth), torch.arange(depth) / depth], dim=1)


class BasesVit(Generated):
    """`skeleton`, a timm ViT, with all tensors of its blocks combined from bases that are trained.

    coefficients [L, T] are fixed; bases, the starting values, have a stack [T, *shape] for each tensor of a block.
    """

    coefficients: Tensor

    def __init__(self, skeleton: nn.Module, coefficients: Tensor, bases: Mapping[str, Tensor]) -> None:
        super().__init__(skeleton, [f"blocks.{block}.{key}" for block in range(len(coefficients)) for key in bases])
        self.keys = tuple(bases)
        self.register_buffer("coefficients", coefficients.clone())
        self.bases = nn.ParameterList([nn.Parameter(base.clone()) for base in bases.values()])

    def weights(self) -> Tensors:
        return combined(self.coefficients, self.stacks())

    def stacks(self) -> Tensors:
        """The bases [T, *shape] by the key of the block's tensor."""
        return dict(zip(self.keys, self.bases, strict=True))

    def no_weight_decay(self) -> set[str]:
        """As in a plain ViT: what combines to norms and biases is not decayed."""
        vectors = {f"bases.{i}" for i, base in enumerate(self.bases) if base.dim() == 2}
        return super().no_weight_decay() | vectors


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
