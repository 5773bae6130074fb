"""Random initialisation: the floor that every gain is measured from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Initializer, Lab, Learngene, fill
from methods.parts.weights import check_choices, fresh_vit
from methods.vit import build_vit, spec_of

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Random(Initializer):
    """timm's own initialisation, from the run's seed. Stores nothing and needs no ancestor.

    scheme:   timm (truncated normal, std 0.02), jax or moco, timm's three modes. jax sets the head to zero.
    residual: scaled divides attn.proj and mlp.fc2 of block l, counted from 1, by sqrt(2 l); plain leaves them.

    Source: timm's VisionTransformer (1.0.31), `weight_init` and `fix_init`.
    Verified: `timm` leaves the fresh target untouched; `jax`, `moco` and `scaled` equal, bit for bit, what timm builds
    with that `weight_init` and `fix_init` from the same generator state.
    Assumed: nothing. Declared: jax and moco are drawn on the CPU from the lab's generator `random`, so that the
    device does not matter; without a lab from torch's global one. `head` has no effect: there is no head to transfer.
    """

    scheme: Literal["timm", "jax", "moco"] = "timm"
    residual: Literal["plain", "scaled"] = "plain"
    ancestors: ClassVar[int] = 0
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_choices(self)

    def condense(self, ancestor: None, lab: Lab | None) -> Learngene:
        return Learngene({}, {})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        spec, scaled = spec_of(target), self.residual == "scaled"
        if self.scheme != "timm":
            mode: dict[str, Any] = {"weight_init": self.scheme, "fix_init": scaled}
            drawn = build_vit(spec, **mode) if lab is None else fresh_vit(spec, lab.generator("random"), **mode)
            fill(target, drawn.state_dict())
        elif scaled:
            fresh = target.state_dict()
            tensors = {name: t / factor for name, t in fresh.items() if (factor := residual_factor(name))}
            fill(target, tensors, fresh=set(fresh) - set(tensors))


def residual_factor(name: str) -> float | None:
    """sqrt(2 l) for the weights by which block l, counted from 1, adds to the stream; None for all others."""
    block = re.fullmatch(r"blocks\.(\d+)\.(attn\.proj|mlp\.fc2)\.weight", name)
    return math.sqrt(2.0 * (int(block[1]) + 1)) if block else None
