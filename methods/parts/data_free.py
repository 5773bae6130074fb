"""Methods that store nothing: a target's start is drawn for the target itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from methods.base import Initializer, Lab, Learngene, fill
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class DataFree(Initializer):
    """Serves any size without an ancestor. A subclass says in `starts` which tensors it sets; the rest stays fresh."""

    ancestors: ClassVar[int] = 0
    trains: ClassVar[bool] = False
    at_start: ClassVar[tuple[str, ...]] = ("head",)  # and, in a subclass, every option: the empty learngene is one

    def condense(self, ancestor: None, lab: Lab | None) -> Learngene:
        return Learngene({}, {})

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        """What the method sets, by timm's names; `fresh` is the target's own draw, to be scaled at most."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it sets")

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        fresh = target.state_dict()
        tensors = self.starts(fresh, spec_of(target), lab)
        fill(target, tensors, fresh=set(fresh) - set(tensors))
