"""Controls for what transfers: the ancestor's weights without their structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Lab, Learngene
from methods.parts.weights import generator
from methods.weight_selection import WeightSelection

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass
class Scrambled(WeightSelection):
    """A control: weight selection whose tensors are then scrambled, so that scale transfers and structure does not.

    how: permuted: the entries of every tensor in random order; moments: a normal draw with the mean and standard
         deviation of every tensor.
    grow: also serves sizes that are deeper and wider than the ancestor: block i of L' is that of block floor(i L / L'),
          and a dimension of N' repeats entry floor(j N / N'), before the tensor is scrambled.
    rule: consistent: heads: layers: as for weight_selection, whose tensors are scrambled; a head is left as it is.

    Source: a control of ours: does structure, or only the scale of the weights, make the gain?
    Verified: the tensors' values (permuted), their first two moments (moments).
    Assumed: that the scale of a tensor is its mean and standard deviation; that a wider tensor keeps it.
    """

    how: Literal["permuted", "moments"] = "permuted"
    grow: bool = False  # type: ignore[misc]  # an option here, a constant there
    at_start: ClassVar[tuple[str, ...]] = (*WeightSelection.at_start, "how", "grow")

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        import torch

        super().initialize(target, learngene, lab)
        draw = generator(lab, "scrambled")
        with torch.no_grad():
            for name, tensor in target.state_dict().items():
                if not Learngene.is_head(name):
                    tensor.copy_(self.scramble(tensor.cpu(), draw))

    def scramble(self, tensor: Tensor, draw: torch.Generator) -> Tensor:
        """A tensor of the same shape without the structure."""
        import torch

        if self.how == "permuted":
            return tensor.flatten()[torch.randperm(tensor.numel(), generator=draw)].view_as(tensor)
        std = tensor.std() if tensor.numel() > 1 else torch.zeros(())
        return tensor.mean() + std * torch.randn(tensor.shape, generator=draw)
