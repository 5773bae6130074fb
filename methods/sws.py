"""Stage-wise weight sharing: a few blocks, each trained to serve all layers of a stage, are copied into the target."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.distillation import check_distillation, distilling
from methods.parts.weights import check_choices, fresh_vit, named_as_in
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


def spread(depth: int, stages: int) -> list[int]:
    """Layers of each stage of an auxiliary network: equal, the remainder to the middle stages (16, 5: 3,3,4,3,3)."""
    each, rest = divmod(depth, stages)
    first = (stages - rest) // 2
    return [each + (first <= stage < first + rest) for stage in range(stages)]


def stage_of_block(depth: int, stages: int) -> list[int]:
    """The stage that each block of a target copies.

    Equal numbers of blocks per stage, the remainder to the earliest; with fewer blocks than stages block i takes stage
    i (stages - 1) / (depth - 1), rounded half up, so that the first and the last stage are kept; a single block takes
    stage 0.
    """
    if depth >= stages:
        each, rest = divmod(depth, stages)
        return [stage for stage in range(stages) for _ in range(each + (stage < rest))]
    last = max(depth - 1, 1)
    return [(2 * i * (stages - 1) + last) // (2 * last) for i in range(depth)]


def laid_out(depth: int, layers_per_stage: Sequence[int]) -> list[int]:
    """As `stage_of_block`, but as the auxiliary network, whose stages have these layers, for a target of its depth."""
    if depth != sum(layers_per_stage):
        return stage_of_block(depth, len(layers_per_stage))
    return [stage for stage, n in enumerate(layers_per_stage) for _ in range(n)]


def shared_vit(model: nn.Module, layers_per_stage: Sequence[int]) -> nn.Module:
    """`model`, which has one block per stage, made to run each of its blocks as often as its stage has layers."""
    from torch import nn

    blocks: Any = model.blocks
    layers = [block for block, n in zip(blocks, layers_per_stage, strict=True) for _ in range(n)]
    model.blocks = nn.Sequential(*layers)
    return model


def learngene_tensors(aux: nn.Module, layers_per_stage: Sequence[int], *, head: bool) -> dict[str, Tensor]:
    """One block per stage as `stages.<s>.<key>`, the rest of the auxiliary network under timm's names."""
    blocks: Any = aux.blocks
    tensors: dict[str, Tensor] = {}
    layer = 0
    for stage, n in enumerate(layers_per_stage):
        tensors |= {f"stages.{stage}.{key}": t for key, t in blocks[layer].state_dict().items()}
        layer += n
    rest = {name: t for name, t in aux.state_dict().items() if not name.startswith("blocks.")}
    tensors |= {name: t for name, t in rest.items() if head or name not in HEAD}
    return {name: t.detach().clone() for name, t in tensors.items()}


@dataclass
class StageWiseSharing(Initializer):
    """SWS: an auxiliary network whose layers share one block per stage is distilled; targets copy its blocks.

    stages:           number of stages S, hence of stored blocks.
    layers_per_stage: layers of each stage of the auxiliary network; default: the ancestor's depth spread evenly, the
                      remainder to the middle stages (16 layers in 5 stages: 3, 3, 4, 3, 3).
    alpha:            weight of the KL divergence to the teacher; cross entropy has 1 - alpha.
    temperature:      of the distillation.
    stage_map:        the stage that each block of the target copies, a list as long as its depth; default: as in the
                      auxiliary network for a target of its depth, else floor(L/S) blocks per stage, the remainder to
                      the earliest (12 blocks, 5 stages: 3, 3, 2, 2, 2).
    aux_heads:        attention heads of the auxiliary network; default: the target's.
    head, train:      whether the classifier transfers; recipe of the auxiliary network.

    All layers of a stage run one whole block, norms included; embeddings, final norm and head are single. Depth and
    the number of heads may change, width may not. The loss is alpha * temperature^2 * KL(teacher || auxiliary) +
    (1 - alpha) * cross entropy, both averaged over the batch.

    Source: Xia et al., Exploring Learngene via Stage-wise Weight Sharing for Initializing Variable-sized Models, IJCAI
    2024 (arXiv 2404.16897), and its released code.
    Verified: stages, sharing, 3,3,4,3,3, alpha 1 and temperature 1, and the map of 12 blocks as read in the released
    code; stored parameters of DeiT-Ti/S/B widths with 5 stages: 2,409,984 / 9,243,648 / 36,182,016; a target laid out
    as the auxiliary network computes the same.
    Assumed: the map for other depths; it is published for 12 blocks from 16 layers only. A target as deep as the
    auxiliary network computes what that computes. Fewer blocks than stages: block i takes stage i (S-1)/(L-1), rounded
    half up; one block takes stage 0. Remainders of more than one layer in the auxiliary network go to the stages around
    the middle.
    Declared differences: the released code divides the KL by batch * classes instead of the batch; it trains its
    384-wide auxiliary network with 12 heads for targets of 6 (`aux_heads: 12`); its teacher is LeViT-384; its
    auxiliary network normalises before the pooling, ours after, as the targets do; stochastic depth, where a recipe
    asks for it, has one rate per stage here, one per layer there.
    """

    stages: int = 5
    layers_per_stage: list[int] | None = None
    alpha: float = 1.0
    temperature: float = 1.0
    stage_map: list[int] | None = None
    aux_heads: int | None = None

    version: ClassVar[int] = 2  # 2: a target of the auxiliary network's own depth is laid out as that is
    at_start: ClassVar[tuple[str, ...]] = ("head",)  # with and without it: one learngene
    shares_tensors: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("images", "teacher")

    def __post_init__(self) -> None:
        check_choices(self)
        layers = self.layers_per_stage
        if self.stages < 1:
            raise ValueError(f"stages must be at least 1, found {self.stages}")
        if layers is not None and (len(layers) != self.stages or min(layers) < 1):
            raise ValueError(f"layers_per_stage needs {self.stages} numbers of at least 1 (stages), found {layers}")
        if self.stage_map is not None and not all(0 <= stage < self.stages for stage in self.stage_map):
            raise ValueError(f"stage_map needs stages from 0 to {self.stages - 1}, found {self.stage_map}")
        check_distillation(self)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return mismatch(ancestor, target, may_differ=("num_heads",))

    def check(self, ancestor: VitSpec, target: VitSpec) -> None:
        if self.layers_per_stage is None and self.stages > ancestor.depth:
            raise ValueError(f"stages {self.stages} is more than the ancestor's depth {ancestor.depth}")
        if self.stage_map is not None and len(self.stage_map) != target.depth:
            raise ValueError(f"stage_map has {len(self.stage_map)} entries for a target of depth {target.depth}")
        if self.aux_heads is not None and (self.aux_heads < 1 or ancestor.embed_dim % self.aux_heads):
            raise ValueError(f"aux_heads {self.aux_heads} does not divide the width {ancestor.embed_dim}")

    def version_of(self, target: VitSpec | None) -> int:
        """1 but where version 2 lays a target out in another way."""
        layers = self.layers_per_stage
        if target is None or self.stage_map is not None or layers is None:
            return 1
        return 1 if laid_out(target.depth, layers) == stage_of_block(target.depth, self.stages) else 2

    def family(self, target: VitSpec) -> Hashable:
        return target.num_heads if self.aux_heads is None else None

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> StageWiseSharing:
        heads = {self.aux_heads or target.num_heads for target in targets}
        if len(heads) != 1:
            raise ValueError(f"one auxiliary network cannot have the head counts of all targets: {sorted(heads)}")
        for target in targets:
            self.check(ancestor, target)
        layers = self.layers_per_stage or spread(ancestor.depth, self.stages)
        return replace(self, aux_heads=heads.pop(), layers_per_stage=layers)

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        if lab is None:
            raise ValueError("sws trains an auxiliary network: condense needs a lab")
        spec = spec_of(ancestor)
        how = self.resolve(spec, lab.targets)
        layers = how.layers_per_stage
        assert layers is not None  # resolve fills it in
        aux = fresh_vit(spec.replace(depth=how.stages, num_heads=how.aux_heads), lab.generator("aux"))
        aux = shared_vit(aux, layers).to(lab.device)
        lab.fit(aux, name="aux", recipe=distilling(how), loss="kd")
        meta: dict[str, Any] = {"ancestor": asdict(spec), "classes": lab.classes, "stages": how.stages}
        meta |= {"layers_per_stage": layers, "aux_heads": how.aux_heads}
        return Learngene(learngene_tensors(aux, layers, head=how.head == "transfer"), meta)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"sws {reason}")
        self.check(ancestor, spec)
        stages = self.stage_map or laid_out(spec.depth, learngene.meta["layers_per_stage"])
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        tensors = {}
        for name in target.state_dict():
            if name not in fresh:
                block = re.match(r"blocks\.(\d+)\.", name)
                source = f"stages.{stages[int(block[1])]}.{name[block.end() :]}" if block else name
                tensors[name] = learngene.tensors[named_as_in(source, learngene.tensors)]
        fill(target, tensors, fresh)
