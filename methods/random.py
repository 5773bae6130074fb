"""Random initialisation: the floor that every gain is measured from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Initializer, Lab, Learngene, fill
from methods.parts.weights import check_choices, fresh_vit
from methods.vit import build_vit, spec_of

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Random(Initializer):
    """timm's own initialisation, from the run's seed. Stores nothing and needs no ancestor.

    scheme: timm (truncated normal, std 0.02), jax or moco, timm's three modes. jax sets the head to zero.

    Source: timm's VisionTransformer (1.0.31), `weight_init`.
    Verified: `timm` leaves the fresh target untouched; `jax` and `moco` equal, bit for bit, what timm builds with
    that `weight_init` from the same generator state.
    Assumed: nothing. Declared: jax and moco are drawn on the CPU from the lab's generator `random`, so that the
    device does not matter; without a lab from torch's global one. `head` has no effect: there is no head to transfer.
    """

    scheme: Literal["timm", "jax", "moco"] = "timm"
    ancestors: ClassVar[int] = 0
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_choices(self)

    def condense(self, ancestor: None, lab: Lab | None) -> Learngene:
        return Learngene({}, {})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        if self.scheme == "timm":
            return
        spec, mode = spec_of(target), {"weight_init": self.scheme}
        drawn = build_vit(spec, **mode) if lab is None else fresh_vit(spec, lab.generator("random"), **mode)
        fill(target, drawn.state_dict())
