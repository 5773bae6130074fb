"""Small things that methods share: fresh weights from a lab's generator, names of weights, allowed option values."""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from methods.base import Initializer, Lab
from methods.vit import VitSpec, build_vit

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def generator(lab: Lab | None, name: str) -> torch.Generator:
    """The lab's generator of that name; without a lab one with a fixed seed, so that a result never varies unasked."""
    import torch

    return torch.Generator().manual_seed(zlib.crc32(name.encode())) if lab is None else lab.generator(name)


def fresh_vit(spec: VitSpec, draw: torch.Generator, **kwargs: Any) -> nn.Module:
    """`build_vit` drawn from the CPU generator `draw`; torch's global generator is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(draw.get_state())
        return build_vit(spec, **kwargs)


def named_as_in(name: str, names: Container[str]) -> str:
    """`name` as a model whose weights are called `names` has it.

    timm calls the final norm `norm` where it acts before the pooling and `fc_norm` where it acts after (average
    pooling); both are the same tensors, and carrying one over to the other is what the learngene papers' code does.
    """
    if name in names:
        return name
    module, _, rest = name.partition(".")
    other = {"norm": "fc_norm", "fc_norm": "norm"}.get(module)
    return f"{other}.{rest}" if other and f"{other}.{rest}" in names else name


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def check_choices(initializer: Initializer) -> None:
    """Raise ValueError for an option declared as a Literal whose value is none of those allowed."""
    cls: Any = type(initializer)  # mypy asks for the hash of its objects
    for name, allowed in choices(cls).items():
        if getattr(initializer, name) not in allowed:
            words = ", ".join(map(str, allowed))
            raise ValueError(f"{name} must be one of {words}; found {getattr(initializer, name)!r}")


@cache  # reading the annotations of a class takes a millisecond, and a plan makes many of its objects
def choices(cls: type) -> dict[str, tuple[Any, ...]]:
    """What is allowed for each option that a class declares as a Literal."""
    return {name: get_args(hint) for name, hint in get_type_hints(cls).items() if get_origin(hint) is Literal}
