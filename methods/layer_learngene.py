"""Heur-LG and Auto-LG: a few whole blocks of the ancestor keep their place, the others stay fresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.roles import ROLES, block_of
from methods.vit import VitSpec, mismatch

if TYPE_CHECKING:
    from torch import nn


@dataclass
class LayerLearngene(AncestorRule):
    """Stores `blocks` of the ancestor's blocks, the last or the first, and all outside the blocks."""

    blocks: int = 1
    head: Literal["transfer", "fresh"] = field(default="fresh", kw_only=True)
    last: ClassVar[bool]  # the last blocks, or the first

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blocks < 1:
            raise ValueError(f"blocks must be at least 1, found {self.blocks}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return mismatch(ancestor, target)

    def inherited(self, have: int, want: int) -> dict[int, int]:
        """Block of a target of `want` blocks -> block of an ancestor of `have`."""
        count = min(self.blocks, have, want)
        return {want - 1 - i: have - 1 - i for i in range(count)} if self.last else {i: i for i in range(count)}

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        depth = 1 + max(block_of(name)[0] or 0 for name in weights)
        inherited = {None, *self.inherited(depth, depth).values()}
        return {name: t for name, t in weights.items() if block_of(name)[0] in inherited}, {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        places = {source: place for place, source in self.inherited(meta["ancestor"]["depth"], target.depth).items()}
        result = {}
        for name, tensor in weights.items():
            block, key = block_of(name)
            if block is None or block in places:
                result[name if block is None else f"blocks.{places[block]}.{key}"] = tensor
        return result

    def fresh(self, ancestor: VitSpec, target: VitSpec) -> Iterable[str]:
        inherited = self.inherited(ancestor.depth, target.depth)
        inside = [key for key in ROLES if key.startswith(("norm1.", "norm2.", "attn.", "mlp."))]
        return [f"blocks.{i}.{key}" for i in range(target.depth) if i not in inherited for key in inside]


@dataclass
class HeurLG(LayerLearngene):
    """Heur-LG: the ancestor's last blocks become the target's last; all other blocks and the head stay fresh.

    Embeddings, positions and the final norm are copied; the width stays.

    blocks: how many; a target with fewer takes the last of them.
    head: fresh as in the source; transfer copies it too.

    Stored: those blocks, embeddings, positions, final norm.

    Source: Wang et al., Learngene, AAAI 2022 (arXiv 2106.08788), in the reading for ViTs of the code of
    Cluster-Learngene (BruceQFWang/NeurIPS24-Cluster-Learngene), which keeps blocks 9, 10, 11 of 12 and drops the head.
    Verified: blocks bit-equal at their places, the rest fresh; stored parameters of DeiT-Ti/S/B 1,520,256 / 5,694,720 /
    22,006,272.
    Assumed: other depths than 12: the last blocks stay the last. The paper's own method picks layers of a CNN by a
    gradient criterion over a sequence of tasks; that is not this.
    """

    blocks: int = 3
    last: ClassVar[bool] = True


@dataclass
class AutoLG(LayerLearngene):
    """Auto-LG: the ancestor's first blocks become the target's first; all other blocks and the head stay fresh.

    Embeddings, positions and the final norm are copied; the width stays.

    blocks: how many; a target with fewer takes the first of them.
    head: fresh as in the source; transfer copies it too.

    Stored: those blocks, embeddings, positions, final norm.

    Source: Wang et al., Learngene: Inheriting Condensed Knowledge from the Ancestry Model to Descendant Models (arXiv
    2305.02279), in the reading for ViTs of the code of Cluster-Learngene (BruceQFWang/NeurIPS24-Cluster-Learngene),
    which keeps blocks 0 to 5 of 12 and drops the head.
    Verified: blocks bit-equal at their places, the rest fresh; stored parameters of DeiT-Ti/S/B 2,854,848 /
    11,018,112 / 43,269,888.
    Assumed: other depths than 12: the first blocks stay the first. The paper finds its layers by the gates of a
    meta-network; that is not this.
    """

    blocks: int = 6
    last: ClassVar[bool] = False
