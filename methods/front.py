"""FRONT: the low frequencies of the ancestor's weights, over depth, outputs and inputs, make targets of any size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.sizes import common, largest, other_than_size, shapes_of, stacked, stacked_shapes, unstacked
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

EPS = 1e-8  # beside the standard deviation, as in the released code
Shape = tuple[int, ...]


@dataclass
class Front(AncestorRule):
    """FRONT: targets take the low frequencies of the ancestor's weights over depth, outputs and inputs.

    Each tensor is normalised by its own mean and standard deviation and transformed by the DCT (matrices over both
    axes, vectors over one, the tensors of blocks also over depth). A target cuts off high frequencies or adds zeros,
    transforms back, and takes mean and deviation of the ancestor's tensor, those of block min(i, L - 1) in blocks.

    gain: what happens to amplitudes: the unnormalised transforms multiply them by n / n' for an axis of n that gets n'
          entries (12 -> 4 layers: by 3). reference leaves it so, as the released code does by default; preserve divides
          it out on every axis, depth included.
    keep: share of the frequencies of every transformed axis that are stored, the lowest.
    mlp:  2d transforms fc1 and fc2 over both axes; 1d only over hidden units (fc1's rows, fc2's columns): the other
          axis is cut, or filled with zeros, as it is.
    box:  depth, embed_dim, num_heads and mlp_ratio up to which coefficients are stored; default: the largest of the
          family's targets in each, but no more than the ancestor's.

    Stored: the coefficients in the box, and two numbers for each tensor of the ancestor.

    Source: One-for-All Model Initialization with Frequency-Domain Knowledge (FRONT), ICML 2026 (arXiv 2603.07523), and
    its released code, as notes describe them.
    Verified: each tensor against sums of cosines written down a second time, from the notes; the same size gives the
    ancestor (1e-5); the factors n / n'; what is stored for DeiT-Ti/S/B as integers.
    Assumed: whether the paper's results were made with the gain of the released default. The standard deviation is
    torch's (divided by n - 1). The fused q, k, v rows are one axis; patches are rows of one axis of pixels. `keep`
    acts on every axis alike. `box`, and that a head which transfers is transformed over classes and inputs, are ours.
    Declared differences: where the target is deeper than the ancestor, the released code gives all further blocks one
    shared tensor; here each is computed. FRONT+ (a spectral regulariser in training) is left out.
    """

    gain: Literal["reference", "preserve"] = "reference"
    keep: float = 1.0
    mlp: Literal["2d", "1d"] = "2d"
    box: dict[str, int | float] | None = None

    at_start: ClassVar[tuple[str, ...]] = ("gain",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep must be above 0 and at most 1, found {self.keep}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return other_than_size(ancestor, target)

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> Front:
        if self.box is not None or not targets:
            return self
        return replace(self, box=common(ancestor, ancestor.replace(**largest(targets))))

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        spec = spec_of(ancestor)
        box = common(spec, spec.replace(**(self.box or {})))
        return frequencies(weights, shapes_of(spec.replace(**box)), self.keep, self.mlp), {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        source, wanted = (
            {name: shape for name, shape in stacked_shapes(shapes_of(spec)).items() if name in weights}
            for spec in (ancestor, target.replace(global_pool=ancestor.global_pool))
        )
        return at_size(weights, source, wanted, self.gain, self.mlp)


def axes(name: str, shape: Sequence[int], mlp: str) -> tuple[int, ...]:
    """Which axes of a matrix (or stack of them) are transformed."""
    every = tuple(range(len(shape)))
    if mlp == "1d" and name == "blocks.mlp.fc1.weight":
        return every[:2]
    if mlp == "1d" and name == "blocks.mlp.fc2.weight":
        return (0, 2)
    return every


def matrix_shape(name: str, shape: Shape) -> Shape:
    """Shape of a stack of blocks as it is, of any other tensor as a matrix or vector: patches are flattened."""
    if name.startswith("blocks.") or len(shape) < 3:
        return shape
    return (shape[0], math.prod(shape[1:])) if len(shape) == 4 else shape[1:]


def frequencies(state: Mapping[str, Tensor], box: Mapping[str, Any], keep: float, mlp: str) -> dict[str, Tensor]:
    """Coefficients of all tensors of `state`, those of blocks stacked, and their `.mean` and `.std`, one per tensor.

    box: shapes up to which they are wanted, by name; of each axis at most the share `keep`. Keeps the dtype.
    """
    from methods.parts.resample import cut_or_pad, dct

    tensors, limits = {}, stacked_shapes(box)
    for name, stack in stacked(state).items():
        matrix = stack.reshape(matrix_shape(name, tuple(stack.shape)))
        rows = matrix.flatten(1) if name.startswith("blocks.") else matrix.reshape(1, -1)
        mean, std = rows.double().mean(1), rows.double().std(1, correction=min(1, rows.shape[1] - 1))
        spread = [-1, *[1] * (matrix.dim() - 1)] if name.startswith("blocks.") else [1] * matrix.dim()
        normal, dims = (matrix - mean.view(spread)) / (std.view(spread) + EPS), axes(name, matrix.shape, mlp)
        limit = matrix_shape(name, limits[name])
        shape = [
            min(n, most, math.ceil(keep * n) if dim in dims else n)
            for dim, (n, most) in enumerate(zip(matrix.shape, limit, strict=True))
        ]
        tensors[name] = cut_or_pad(dct(normal, dims), shape)
        tensors |= {f"{name}.mean": mean, f"{name}.std": std}
    dtype = next(iter(state.values())).dtype
    return {name: t.to(dtype).cpu() for name, t in tensors.items()}


def at_size(
    tensors: Mapping[str, Tensor], source: Mapping[str, Shape], target: Mapping[str, Shape], gain: str, mlp: str
) -> dict[str, Tensor]:
    """The state dict of a net whose stacked tensors have the shapes `target`, from what `frequencies` gave for those of
    the shapes `source`. Keeps the dtype."""
    import torch

    from methods.parts.resample import cut_or_pad, inverse_dct

    stacks = {}
    for name, shape in target.items():
        want, have = (matrix_shape(name, tuple(shapes[name])) for shapes in (target, source))
        dims = axes(name, want, mlp)
        coefficients = cut_or_pad(tensors[name].double(), want)
        if gain == "preserve":
            coefficients *= math.prod(want[dim] / have[dim] for dim in dims)
        layers = torch.arange(want[0] if name.startswith("blocks.") else 1).clamp(max=len(tensors[f"{name}.std"]) - 1)
        mean, std = (
            tensors[f"{name}.{moment}"].double()[layers].view(-1, *[1] * (len(want) - 1)) for moment in ("mean", "std")
        )
        values = inverse_dct(coefficients, dims) * std + mean
        stacks[name] = values.reshape(shape).to(tensors[name].dtype)
    return unstacked(stacks)
