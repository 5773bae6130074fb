"""Depth maps: every block of the target is a copy of one of the ancestor's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts import depth_maps
from methods.parts.ancestor_rule import AncestorRule, Weights
from methods.parts.observe import observe
from methods.parts.weights import generator
from methods.vit import VitSpec, mismatch

if TYPE_CHECKING:
    from torch import Tensor, nn

MEASURED = ("block_influence", "angular")  # kinds that look at images


@dataclass
class DepthMap(AncestorRule):
    """Every block is a copy of one of the ancestor's; embeddings, positions, final norm and head are copied.

    With L blocks in the ancestor, L' in the target; the width stays. In equal depth every kind copies block by block.

    kind: both ways: interleave floor(i L / L'); g_stack and stackbert i mod L. Deeper: gradual_stack all, then the last
          L' - L again; solar the first L - k, then from block k on, at last the last k; bert2bert_depth whole copies,
          then the last L' mod L; llama_pro e = L' - L <= L extra blocks at even distances, each a copy of the block
          before it that adds nothing to the stream; double_last the last L' - L twice each. Shallower: first, last;
          spaced evenly, as in weight selection; symmetric the first and last, without the middle; block_influence
          without those that change the stream least; angular without the run of blocks across which it turns least;
          shuffled any, in any order (a control).
    blocks: the source block of each target block, a list as long as the target is deep; overrides kind.
    zero_copies: every block but the first with a given source gets weights and biases of 0 in proj and fc2, so that it
          adds nothing: the target computes what the ancestor does if each block is there once and in order. llama_pro
          does so always.
    drop: k of solar; by default as many as L' allows, L - L' / 2 rounded down.
    images: how many unlabelled images block_influence and angular look at; by default 1024 for these, else 0.

    Stored: all of the ancestor but its head (with it where `head: transfer`); with images its influences and angles.

    Source: G_stack: Du et al., 2405.15319, code tongxuluo/prts, which has gradual_stack (Reddi et al.) and SOLAR
    (2312.15166) too. stackbert: Gong et al. 2019. interleave: LiGO, 2303.00980. llama_pro: 2401.02415, code
    TencentARC/LLaMA-Pro. bert2bert_depth: 2110.07143, a third party's code. block_influence: ShortGPT, 2403.03853, a
    third party's code. angular: Gromov et al., 2403.17887.
    Verified: the lists of each kind against published ones and plain loops; copies bit-equal; with zero copies equal
    logits (float64: exactly) for every kind that grows; influences and angles against loops over tokens.
    Assumed: interleave where L does not divide L'; llama_pro where L' - L does not divide L; the default of drop.
    Angles are averaged over all tokens (the paper takes the last one of a text). Influence and angles are those of
    language models, here on images. symmetric, spaced and shuffled are named after no paper.
    """

    kind: Literal[
        "interleave",
        "g_stack",
        "stackbert",
        "gradual_stack",
        "solar",
        "bert2bert_depth",
        "llama_pro",
        "double_last",
        "first",
        "last",
        "spaced",
        "symmetric",
        "block_influence",
        "angular",
        "shuffled",
    ] = "interleave"
    blocks: list[int] | None = None
    zero_copies: bool = False
    drop: int | None = None
    images: int | None = None
    at_start: ClassVar[tuple[str, ...]] = ("kind", "blocks", "zero_copies", "drop")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drop is not None and (self.kind != "solar" or self.drop < 0):
            raise ValueError(f"drop is a number of blocks for kind solar; found drop {self.drop} with kind {self.kind}")
        if self.images is not None and self.images < int(self.measures):
            raise ValueError(f"images must be at least {int(self.measures)} for kind {self.kind}, found {self.images}")

    @property
    def measures(self) -> bool:
        """Whether the map depends on images."""
        return self.kind in MEASURED and self.blocks is None

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        reason = None
        if self.measures and target.depth > ancestor.depth:
            reason = f"{self.kind} cannot grow depth: ancestor {ancestor.depth}, target {target.depth}"
        elif self.blocks is None and not self.measures:
            reason = depth_maps.unservable(self.kind, ancestor.depth, target.depth, drop=self.drop)
        return reason or mismatch(ancestor, target)

    def check(self, ancestor: VitSpec, target: VitSpec) -> None:
        if self.blocks is not None and len(self.blocks) != target.depth:
            raise ValueError(f"blocks has {len(self.blocks)} entries for a target of depth {target.depth}")
        if self.blocks is not None and not set(self.blocks) <= set(range(ancestor.depth)):
            raise ValueError(f"blocks must be from 0 to {ancestor.depth - 1}, found {self.blocks}")

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> DepthMap:
        return replace(self, images=(1024 if self.measures else 0)) if self.images is None else self

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        images = 1024 if self.images is None and self.measures else self.images
        return weights, measured(ancestor, lab, images) if images else {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        sources = self.sources(meta, meta["ancestor"]["depth"], target.depth, lab)
        return depth_maps.stack(weights, sources, zero_copies=self.zero_copies or self.kind == "llama_pro")

    def sources(self, meta: Mapping[str, Any], have: int, want: int, lab: Lab | None) -> list[int]:
        """The source of each block."""
        if self.blocks is not None:
            return self.blocks
        if self.kind == "block_influence":
            return most_influential(meta["block_influence"], want)
        if self.kind == "angular":
            return without_the_straightest(meta["angular"], want)
        return depth_maps.blocks(self.kind, have, want, drop=self.drop, draw=generator(lab, "shuffled"))


def measured(model: nn.Module, lab: Lab | None, images: int) -> dict[str, Any]:
    """Influence of each block, [L], and angles between stream states, [L][L]: entry l, m - 1 is between x_l and x_m.

    x_l is what enters block l, x_L what leaves the last one, l < m. Influence: 1 - mean over tokens of
    cos(x_l, x_l+1). Angle: mean over tokens of arccos(cos(x_l, x_m)) / pi.
    """
    import torch

    depth = len(model.get_submodule("blocks"))  # type: ignore[arg-type]  # torch's types: a Module has no length
    at = [*(f"blocks.{i}" for i in range(depth)), "norm"]
    sums, tokens = torch.zeros(2, depth + 1, depth + 1, dtype=torch.double), 0

    def take(inputs: dict[str, Tensor]) -> None:
        nonlocal tokens, sums
        states = torch.stack([inputs[module].flatten(0, 1) for module in at])
        sums = sums + similarities(states).cpu()
        tokens += states.shape[1]

    observe(model, lab, images, "depth_map", at, take)
    cosines, angles = (sums / tokens).tolist()
    influence = [1 - cosines[i][i + 1] for i in range(depth)]
    between = [[angles[i][j] if j > i else 0.0 for j in range(1, depth + 1)] for i in range(depth)]
    return {"block_influence": influence, "angular": between}


def similarities(states: Tensor) -> Tensor:
    """Sums over tokens of cosines and of angles / pi between states [n, tokens, width], as [2, n, n]."""
    import torch

    unit = torch.nn.functional.normalize(states.double(), dim=-1)
    cosines = torch.einsum("atc,btc->tab", unit, unit).clamp(-1, 1)
    return torch.stack([cosines.sum(0), (cosines.arccos() / torch.pi).sum(0)])


def most_influential(influence: Sequence[float], want: int) -> list[int]:
    """The `want` blocks of most influence in their order; of equals the earlier."""
    return sorted(sorted(range(len(influence)), key=lambda block: -influence[block])[:want])


def without_the_straightest(angles: Sequence[Sequence[float]], want: int) -> list[int]:
    """All blocks but the run of L - `want` across which the stream turns least; of equals the earlier."""
    have = len(angles)
    run = have - want
    start = min(range(want + 1), key=lambda block: angles[block][block + run - 1]) if run else 0
    return [block for block in range(have) if not start <= block < start + run]
