"""Template mixing: a ViT each of whose weight matrices is a combination of templates that neighbouring blocks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.parts.generated import Generated

ROLES = ("q", "k", "v", "proj", "fc1", "fc2")  # a bank of each per group; q, k and v are three layers in one of timm's
KEYS = {"attn.qkv.weight": ROLES[:3], "attn.proj.weight": ("proj",), "mlp.fc1.weight": ("fc1",)}
KEYS |= {"mlp.fc2.weight": ("fc2",)}
STD = 0.02  # of timm's own initialiser of linear layers, a normal draw truncated at +-2


def mix(templates: Tensor, coefficients: Tensor, banks: Sequence[int]) -> Tensor:
    """Weights [L, out, in] of L layers: layer l is sum_t coefficients[l, t] * templates[banks[l], t].

    templates [banks, T, out, in], coefficients [L, T]; one batched product for all layers.
    """
    slots = [sum(bank == banks[layer] for bank in banks[:layer]) for layer in range(len(banks))]
    where = torch.tensor(banks), torch.tensor(slots)
    packed = coefficients.new_zeros(len(templates), max(slots) + 1, templates.shape[1])
    packed = packed.index_put(where, coefficients)
    return torch.einsum("bst,btoi->bsoi", packed, templates)[where]


def mix_groups(templates: Tensor, coefficients: Tensor, group_size: int) -> Tensor:
    """As `mix` where each bank serves `group_size` neighbouring layers, the last one what remains. Cheaper to train.

    What was trained with it is mixed with it again when it grows: the same product, so the same bits.
    """
    layers, banks = len(coefficients), len(templates)
    packed = F.pad(coefficients, (0, 0, 0, banks * group_size - layers)).view(banks, group_size, -1)
    return torch.einsum("bst,btoi->bsoi", packed, templates).flatten(0, 1)[:layers]


def by_timm_name(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """role -> [L, out, in] as the tensors of a timm ViT's blocks, the fused qkv included."""
    named = {}
    for key, roles in KEYS.items():
        for block, tensor in enumerate(torch.cat([weights[role] for role in roles], dim=1).unbind()):
            named[f"blocks.{block}.{key}"] = tensor
    return named


def orthonormal(depth: int, templates: int, group_size: int, draw: torch.Generator) -> Tensor:
    """Coefficients [depth, templates] of unit length, orthogonal within a bank where it has as many templates."""
    banks = range(0, depth, group_size)
    rows = torch.cat([nn.init.orthogonal_(torch.empty(group_size, templates), generator=draw) for _ in banks])
    return F.normalize(rows[:depth], dim=1)


def drawn_together(depth: int, templates: int, group_size: int, draw: torch.Generator) -> Tensor:
    """The released code's coefficients [4, depth, templates]: a layer's four vectors orthogonal, normal in a bank."""
    one = nn.init.orthogonal_ if group_size == 1 else nn.init.normal_
    return torch.stack([one(torch.empty(4, templates), generator=draw) for _ in range(depth)], dim=1)


class TemplateVit(Generated):
    """`skeleton`, a timm ViT, with its blocks' weight matrices mixed from templates.

    coefficients: starting values, role -> [L, T]. The parameters are 1-D, and so without weight decay, as in the
    reference. Templates [banks, T, out, in] are drawn by timm's initialiser from `draw`.
    """

    def __init__(
        self, skeleton: nn.Module, coefficients: Mapping[str, Tensor], group_size: int, draw: torch.Generator
    ) -> None:
        blocks: Any = skeleton.blocks
        shapes = {key: blocks[0].get_parameter(key).shape for key in KEYS}
        super().__init__(skeleton, [f"blocks.{block}.{key}" for block in range(len(blocks)) for key in KEYS])
        self.group_size = group_size
        self.templates, self.coefficients = nn.ParameterDict(), nn.ParameterDict()
        for key, roles in KEYS.items():
            for role in roles:
                depth, n = coefficients[role].shape
                stack = torch.empty(-(-depth // group_size), n, shapes[key][0] // len(roles), shapes[key][1])
                self.templates[role] = nn.Parameter(nn.init.trunc_normal_(stack, std=STD, generator=draw))
                self.coefficients[role] = nn.Parameter(coefficients[role].flatten())

    def weights(self) -> dict[str, Tensor]:
        mixed = {}
        for role, stack in self.templates.items():
            mixed[role] = mix_groups(stack, self.coefficients[role].view(-1, stack.shape[1]), self.group_size)
        return by_timm_name(mixed)

    def tensors(self) -> dict[str, Tensor]:
        """What a learngene keeps: `templates.<role>`, `coefficients.<role>` [L, T] and the rest under timm's names."""
        tensors = {name.removeprefix("skeleton."): t.detach().cpu().clone() for name, t in self.state_dict().items()}
        for role, stack in self.templates.items():
            tensors[f"coefficients.{role}"] = tensors[f"coefficients.{role}"].view(-1, stack.shape[1])
        return tensors
