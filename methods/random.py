"""Random initialisation: the floor that every gain is measured from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Initializer, Lab, Learngene

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Random(Initializer):
    """timm's own initialisation, from the run's seed.

    scheme: timm (truncated normal, std 0.02), jax or moco, timm's three modes.

    Source: timm's VisionTransformer. Verified: `timm` leaves the fresh target untouched; `jax` and `moco` equal
    timm's own modes. Assumed: nothing.
    """

    scheme: Literal["timm", "jax", "moco"] = "timm"
    ancestors: ClassVar[int] = 0

    def condense(self, ancestor: None, lab: Lab | None) -> Learngene:
        return Learngene({}, {})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        if self.scheme != "timm":
            target.init_weights(self.scheme)
