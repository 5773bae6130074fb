"""A ViT made of weight templates and scalers, and how scalers carry over to another size. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from methods.parts.generated import Generated
from methods.parts.templates import TiledGroup

Order = Literal["tile", "interleave"]
Tensors = dict[str, Tensor]


def reconstruct(scalers: Tensor, templates: Tensor, order: Order) -> Tensor:
    """The matrices [layers, rows, columns] of all layers from scalers [layers, templates, grid rows, grid columns] and
    templates [templates, tile rows, tile columns], in one product.

    tile: the sum over templates of kron(scaler, template); interleave: of kron(template, scaler).
    """
    product = {"tile": "lnij,nrc->lirjc", "interleave": "lnij,nrc->lricj"}[order]
    layers, _, i, j = scalers.shape
    _, r, c = templates.shape
    return torch.einsum(product, scalers, templates).reshape(layers, i * r, j * c)


class TemplatedVit(Generated):
    """A ViT whose tensors of `groups` are reconstructed; `templates` and `scalers` hold a tensor per group.

    decay_scalers: whether weight decay acts on scalers as it does on templates.
    """

    def __init__(
        self,
        skeleton: nn.Module,
        groups: Sequence[TiledGroup],
        order: Order,
        templates: Tensors,
        scalers: Tensors,
        *,
        decay_scalers: bool = True,
    ) -> None:
        super().__init__(skeleton, [name for group in groups for name in group.tensors])
        self.groups, self.order, self.decay_scalers = tuple(groups), order, decay_scalers
        for group in groups:
            shapes = tuple(templates[group.name].shape), tuple(scalers[group.name].shape)
            if shapes != (group.template_shape, group.scaler_shape):
                raise ValueError(f"{group.name}: templates and scalers {shapes}, not those of {group}")
        self.templates = nn.ParameterDict({g.name: nn.Parameter(templates[g.name].clone()) for g in groups})
        self.scalers = nn.ParameterDict({g.name: nn.Parameter(scalers[g.name].clone()) for g in groups})

    def weights(self) -> Tensors:
        weights: Tensors = {}
        for group in self.groups:
            matrices = reconstruct(self.scalers[group.name], self.templates[group.name], self.order)
            weights |= zip(group.tensors, matrices.reshape(-1, *group.shape).unbind(), strict=True)
        return weights

    def no_weight_decay(self) -> set[str]:
        """As in a plain ViT: norms, biases, positions and class token are not decayed, whatever they are made of."""
        plain = self.skeleton.no_weight_decay()
        free = [g.name for g in self.groups if g.start != "normal" or g.tensors[0] in plain]
        free = [f"{kind}.{name}" for kind in ("templates", "scalers") for name in free]
        free += [] if self.decay_scalers else [f"scalers.{group.name}" for group in self.groups]
        return super().no_weight_decay() | set(free)


def fresh_templates(groups: Sequence[TiledGroup], draw: torch.Generator, norm: float) -> Tensors:
    """Templates that, under scalers of that `norm`, give every group timm's start: its std, ones, or zeros."""
    return {g.name: _start(g.template_shape, g.start, g.std / norm, draw) for g in groups}


def _start(shape: Sequence[int], start: str, std: float, draw: torch.Generator) -> Tensor:
    if start == "normal":
        return torch.randn(shape, generator=draw) * std
    return torch.full(shape, 1.0 if start == "ones" else 0.0)


def fresh_scalers(groups: Sequence[TiledGroup], draw: torch.Generator, norm: float) -> Tensors:
    """Normal scalers whose square sums over the templates to norm^2 on average; those of norm weights are shifted to
    the sum 1, so that templates of ones give exactly ones while each template gets a gradient of its own."""
    scalers = {}
    for group in groups:
        s = torch.randn(group.scaler_shape, generator=draw) * norm / group.count**0.5
        scalers[group.name] = s - s.mean(1, keepdim=True) + 1 / group.count if group.start == "ones" else s
    return scalers


def random_scalers(groups: Sequence[TiledGroup], templates: Mapping[str, Tensor], draw: torch.Generator) -> Tensors:
    """Scalers for finished templates: normal, so that weights have timm's std; equal for norm weights, which are then
    the mean template; zero for biases."""
    scalers = {}
    for group in groups:
        if group.start == "normal":
            rms = templates[group.name].square().mean().sqrt() * group.count**0.5
            s = torch.randn(group.scaler_shape, generator=draw) * (group.std / rms)
        else:
            s = torch.full(group.scaler_shape, 1 / group.count if group.start == "ones" else 0.0)
        scalers[group.name] = s
    return scalers


def carry_scalers(scalers: Tensor, source: TiledGroup, target: TiledGroup) -> Tensor:
    """Scalers of `source`, the same group in a model of another size, as those of `target`."""
    rows = _tiled(source.grid[0], target.grid[0], target.sections)
    columns = _tiled(source.grid[1], target.grid[1], 1)
    out = at_depth(scalers, len(target.tensors))[:, :, rows][:, :, :, columns]
    if target.inputs:
        out = out / columns.bincount(minlength=source.grid[1])[columns]
    return out


def jittered(scalers: Tensor, noise: float, draw: torch.Generator) -> Tensor:
    """Relative normal noise: exact replicas would get equal gradients and stay equal for ever."""
    return scalers * (1 + noise * torch.randn(scalers.shape, generator=draw))


def at_depth(scalers: Tensor, depth: int) -> Tensor:
    """Linear interpolation of scalers [layers, ...] over the relative depth l / (layers - 1); a single layer is 0."""
    last, new_last = len(scalers) - 1, max(depth - 1, 1)
    positions = torch.arange(depth) * last
    below = positions // new_last
    weight = ((positions % new_last) / new_last).to(scalers).view(-1, *[1] * (scalers.dim() - 1))
    return torch.lerp(scalers[below], scalers[(below + 1).clamp(max=last)], weight)


def _tiled(n_from: int, n_to: int, sections: int) -> Tensor:
    """Source index of each of `n_to` indices: round and round within each of the equal sections."""
    each_from, each_to = n_from // sections, n_to // sections
    inside = torch.arange(each_to) % each_from
    return (torch.arange(sections)[:, None] * each_from + inside).flatten()
