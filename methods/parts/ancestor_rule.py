"""The wiring of methods that store an ancestor's weights and make a target's by a rule on state dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.roles import roles
from methods.parts.weights import check_choices, named_as_in
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

Weights = Mapping[str, "Tensor"]


@dataclass
class AncestorRule(Initializer):
    """Stores the ancestor (`stored`), its head only where it may transfer, and fills a target by `built`."""

    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_choices(self)

    def stored(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> tuple[Weights, dict[str, Any]]:
        """What of the ancestor's `weights` is stored, in which form, and metadata beside it."""
        return weights, {}

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        """The target's weights by the ancestor's names, out of what was stored; a head only if there is one."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a target is built")

    def fresh(self, ancestor: VitSpec, target: VitSpec) -> Iterable[str]:
        """Names of the target's tensors beside the head that deliberately keep timm's initialisation."""
        return ()

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        weights = {name: t.detach().clone() for name, t in ancestor.state_dict().items() if roles(name)}
        tensors, meta = self.stored(ancestor, weights, lab)
        if self.head == "fresh":
            tensors = {name: t for name, t in tensors.items() if not Learngene.is_head(name)}
        facts = {"ancestor": asdict(spec_of(ancestor)), "classes": lab.classes if lab else None}
        return Learngene(dict(tensors), facts | meta)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"{type(self).__name__}: {reason}")
        self.check(ancestor, spec)
        transfers = self.head_transfers(learngene, lab)
        weights = {n: t for n, t in learngene.tensors.items() if transfers or not Learngene.is_head(n)}
        fresh = {*self.fresh(ancestor, spec), *(() if transfers else HEAD)}
        built = self.built(weights, learngene.meta, spec, lab)
        fill(target, {n: built[named_as_in(n, built)] for n in target.state_dict() if n not in fresh}, fresh)
