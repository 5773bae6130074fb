"""The dense weights of a grown ViT out of the tensors of trained seeds, under timm's names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from methods.parts.growth import (
    CoefficientRule,
    block_sources,
    depth_coefficients,
    new_blocks,
    reference_coefficients,
    width_coefficients,
)
from methods.parts.mixing import ROLES, by_timm_name, mix, mix_groups

MIXED = ("templates", "coefficients", "skipped")  # first parts of the names of what weights are mixed from


def unmixed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that are not mixed: embeddings, norms, biases, head."""
    return {name: t for name, t in tensors.items() if name.split(".")[0] not in MIXED}


def deeper(seed: Mapping[str, Tensor], depth: int, group_size: int, rule: CoefficientRule) -> dict[str, Tensor]:
    """A target of `depth` blocks from one seed. New blocks take norms and biases from the block they come from."""
    seed_depth = len(seed["coefficients.q"])
    sources = block_sources(depth, seed_depth)
    added = new_blocks(sources)
    weights = {}
    for role in ROLES:
        templates, coefficients = seed[f"templates.{role}"], seed[f"coefficients.{role}"]
        weights[role] = mix_groups(templates, coefficients, group_size)[sources]
        if added:
            grown = depth_coefficients(coefficients, sources, group_size, rule)
            weights[role][added] = mix(templates, grown, [sources[block] // group_size for block in added])
    state = {name: t for name, t in unmixed(seed).items() if not name.startswith("blocks.")}
    for name, tensor in unmixed(seed).items():
        if block := re.match(r"blocks\.(\d+)\.", name):
            key = name[block.end() :]
            state |= {f"blocks.{i}.{key}": tensor for i, source in enumerate(sources) if source == int(block[1])}
    return state | by_timm_name(weights)


def wider(members: Mapping[str, Tensor], group_size: int, rule: CoefficientRule) -> dict[str, Tensor]:
    """A target twice as wide from two seeds, whose tensors are stacked [2, ...].

    The reference's rule applies where `skipped.<role>`, the coefficients that it does not draw, are among the tensors.
    """
    weights = {}
    for role in ROLES:
        templates, coefficients = members[f"templates.{role}"], members[f"coefficients.{role}"]
        if f"skipped.{role}" in members:
            grown = reference_coefficients(coefficients, members[f"skipped.{role}"], rule)
        else:
            grown = width_coefficients(coefficients, group_size, rule)
        (top_left, bottom_right), (top_right, bottom_left) = (
            [mix_groups(t, c, group_size) for t, c in zip(templates, rows, strict=True)]
            for rows in (coefficients, grown)
        )
        halves = [torch.cat(half, dim=2) for half in ((top_left, top_right), (bottom_left, bottom_right))]
        weights[role] = torch.cat(halves, dim=1)
    return {name: joined(name, pair) for name, pair in unmixed(members).items()} | by_timm_name(weights)


def joined(name: str, pair: Tensor) -> Tensor:
    """The target's tensor from the members' [2, ...]: vectors concatenated, the head side by side on its inputs."""
    if name == "head.bias":
        return pair.sum(0)
    if name.endswith("attn.qkv.bias"):  # q, k and v apart: each has the members' heads one after the other
        return pair.unflatten(1, (3, -1)).transpose(0, 1).flatten()
    outputs = name == "patch_embed.proj.weight"  # stacked on outputs; all else on its last dimension
    return torch.cat(list(pair), dim=0 if outputs else -1)
