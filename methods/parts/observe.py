"""What goes through an ancestor's modules when it looks at images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from methods.base import Lab

if TYPE_CHECKING:
    from torch import Tensor, nn


def observe(
    model: nn.Module,
    lab: Lab | None,
    images: int,
    name: str,
    at: Iterable[str],
    take: Callable[[dict[str, Tensor]], None],
) -> None:
    """Run a copy of `model` in evaluation mode on `images` unlabelled images and hand over what enters its modules.

    at:   names of modules; `blocks.0` gives the embeddings, `norm` what leaves the last block, `attn.proj` and
          `mlp.fc2` of a block the outputs of its heads and the activations of its hidden units.
    take: gets for each batch {name of the module: its input [images, tokens, channels]}, without gradients; what it
          computes is charged too.
    Raises ValueError without a lab.
    """
    import torch

    if lab is None:
        raise ValueError("looking at images needs a lab: pass one, or choose options that need no images")
    watched = copy.deepcopy(model).eval().to(lab.device)
    inputs: dict[str, Tensor] = {}
    for module in at:
        watched.get_submodule(module).register_forward_pre_hook(
            lambda _, args, module=module: inputs.__setitem__(module, args[0])
        )
    for batch in lab.batches(images, name=name):
        with lab.meter(name), torch.no_grad():
            watched(batch)
            take(inputs)
