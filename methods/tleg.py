"""TLEG: all blocks lie on a line, a base plus a slope times the relative depth; the two are trained, then evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.distillation import check_distillation, distilling
from methods.parts.weights import check_choices, fresh_vit, named_as_in, under
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

STACK = "bases."  # first part of the names of the stacks [2, *shape], base and slope, of the 12 tensors of a block


@dataclass
class LinearExpansion(Initializer):
    """TLEG: block l of L is base + (l / L) * slope in all its tensors; both are distilled, then used at any L.

    alpha:       weight of the KL divergence to the teacher; cross entropy has 1 - alpha.
    temperature: of the distillation.
    head, train: whether the classifier transfers; recipe of the auxiliary network.

    The auxiliary network has the ancestor's depth and heads. Norms and biases lie on the line too; embeddings, final
    norm and head are single. l runs from 0 to L - 1, so the end of the line is never reached. Only depth may change.

    Source: Xia et al., Transformer as Linear Expansion of Learngene, AAAI 2024 (arXiv 2312.05614), and its released
    code.
    Verified: the formula, on every tensor, against loops in float64; a target of the auxiliary depth computes what the
    auxiliary network computes; wave with whole templates and scalers 1, l / L is the same rule; stored parameters of
    DeiT-Ti/S/B widths: 1,075,392 / 3,920,256 / 14,918,400.
    Assumed: matrices start normal with std 0.02 in base and slope as read in the released code, drawn here from the
    lab's generator; norms start at 1 with slope 0, biases at 0.
    Declared differences: as for sws, the KL is divided by the batch, not by batch * classes; the auxiliary network
    normalises after the pooling, as the targets do; the teacher is the suite's, not LeViT-384.
    """

    alpha: float = 1.0
    temperature: float = 1.0

    at_start: ClassVar[tuple[str, ...]] = ("head",)
    uses: ClassVar[tuple[str, ...]] = ("images", "teacher")

    def __post_init__(self) -> None:
        check_choices(self)
        check_distillation(self)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return mismatch(ancestor, target)

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        from methods.parts.bases import fresh_bases, linear
        from methods.parts.by_rule import RuledVit

        if lab is None:
            raise ValueError("tleg trains an auxiliary network: condense needs a lab")
        spec = spec_of(ancestor)
        skeleton: Any = fresh_vit(spec, lab.generator("aux"))
        shapes = {key: tensor.shape for key, tensor in skeleton.blocks[0].state_dict().items()}
        bases = {STACK + key: base for key, base in fresh_bases(shapes, 2, lab.generator("bases")).items()}
        vectors = [STACK + key for key, shape in shapes.items() if len(shape) == 1]
        made_of = bases | {"line": linear(spec.depth).float()}
        aux = RuledVit(skeleton, made_of, expanded, frozen=["line"], undecayed=vectors)
        lab.fit(aux.to(lab.device), name="aux", recipe=distilling(self), loss="kd")
        tensors = {name: t for name, t in aux.stored().items() if self.head == "transfer" or name not in HEAD}
        return Learngene(tensors, {"ancestor": asdict(spec), "classes": lab.classes})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        from methods.parts.bases import linear

        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"tleg {reason}")
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        tensors = expanded(learngene.tensors | {"line": linear(spec.depth)})
        for name in target.state_dict():
            if name not in tensors and name not in fresh:
                tensors[name] = learngene.tensors[named_as_in(name, learngene.tensors)]
        fill(target, tensors, fresh)


def expanded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of all blocks by timm's names, from the stacks and their coefficients `line` [L, 2] in `tensors`."""
    from methods.parts.bases import combined

    return combined(tensors["line"], under(tensors, STACK))
