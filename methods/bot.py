"""BoT: Haar wavelets make the ancestor's matrices half or twice as large along each axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import MOSTLY_DECLARED, Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.sizes import Shapes, other_than_size, shapes_of, stacked, stacked_shapes, unstacked
from methods.vit import VitSpec

if TYPE_CHECKING:
    from torch import Tensor

MATRICES = tuple(f"blocks.{name}.weight" for name in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"))


@dataclass
class Bot(AncestorRule):
    """BoT, mostly declared (no code, a summary of the paper alone): matrices resized by Haar wavelets.

    Results say nothing of the paper's.

    The matrices qkv, proj, fc1 and fc2 of all blocks, stacked [L, out, in], get the target's size by Haar wavelets, one
    level for a factor of 2: down by the low-pass (a + b) / sqrt(2) of neighbours along an axis, up by its inverse with
    zero details, so that each value becomes two of value / sqrt(2). Depth, width and hidden width may change by
    powers of two.

    head: whether the classifier transfers, on its inputs by the rule of the matrices.

    Stored: all of the ancestor (its head where that transfers).

    Source: BoT, CVPR 2026 (arXiv 2603.07506), second-hand: a summary of the paper.
    Verified: each tensor against loops over pairs written down a second time; up and down again is the identity, and so
    is an equal size.
    Assumed: Haar wavelets only (the paper is said to choose one per model). All other tensors (norms, biases, patch
    embedding, positions) take the mean of neighbours, or repeat them: by the matrices' rule norm weights of 1 would
    become 2. The head's rule. That q, k and v are halved apart follows from their even lengths.
    """

    caution: ClassVar[str] = MOSTLY_DECLARED

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        for name in ("depth", "embed_dim", "hidden_dim"):
            have, want = getattr(ancestor, name), getattr(target, name)
            short, long = sorted((have, want))
            if long % short or (long // short).bit_count() != 1:
                return f"cannot change {name} but by a power of two: ancestor {have}, target {want}"
        return other_than_size(ancestor, target)

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        named = target.replace(global_pool=VitSpec(**meta["ancestor"]).global_pool)
        return resampled(weights, shapes_of(named))


def resampled(state: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """The tensors of `state` at those shapes: matrices by Haar wavelets, others by means and repetition. A head is only
    made where there is one."""
    from methods.parts.resample import by_halves

    source, wanted = stacked(state), stacked_shapes(shapes)
    return unstacked(
        {
            name: by_halves(source[name], shape, orthonormal=name in (*MATRICES, "head.weight"))
            for name, shape in wanted.items()
            if name in source
        }
    )
