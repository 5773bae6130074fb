"""Conversions of weights from elsewhere into those of a plain ViT; `bench.suite.conversions` says when."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.vit import VitSpec

State = dict[str, Tensor]
SCALED = {"ls1.gamma": "attn.proj", "ls2.gamma": "mlp.fc2"}  # layer scale -> the layer whose output it multiplies


def convert(
    state: State, wishes: dict[str, str], spec: VitSpec, *, normalised: Any = None, images: Any = None
) -> State:
    """The weights `state`, under timm's names, after the conversions asked for.

    spec: the size wanted. normalised, images: (mean, std) of the images that the weights were trained on and of those
    that they will see, for `normalisation`. Raises ValueError for a conversion that the weights need or do not admit.
    """
    state = dict(state)
    if "layer_scale" in wishes:
        fold_layer_scale(state)
    if "class_token" in wishes:
        drop_class_token(state)
    if "pos_embed" in state:
        state["pos_embed"] = positions(state["pos_embed"], spec, interpolate="positions" in wishes)
    if "normalisation" in wishes:
        fold_normalisation(state, normalised, images)
    return state


def fold_layer_scale(state: State) -> None:
    """Multiply each residual branch's last layer by its scale: the function stays."""
    scales = [name for name in state if name.endswith(tuple(SCALED))]
    if not scales:
        raise ValueError("convert.layer_scale: the residual branches are not scaled")
    for name in scales:
        block, scale = name.rsplit(".", 2)[0], name.split(".", 2)[2]
        gamma, layer = state.pop(name), f"{block}.{SCALED[scale]}"
        state[f"{layer}.weight"] = state[f"{layer}.weight"] * gamma[:, None]
        state[f"{layer}.bias"] = state[f"{layer}.bias"] * gamma


def drop_class_token(state: State) -> None:
    """Leave out the class token, and its position where it has one (the first)."""
    if "cls_token" not in state:
        raise ValueError("convert.class_token: there is no class token")
    del state["cls_token"]
    rows = state["pos_embed"].shape[1]
    if math.isqrt(rows) ** 2 != rows:  # patches are a square
        state["pos_embed"] = state["pos_embed"][:, 1:]


def positions(embedding: Tensor, spec: VitSpec, *, interpolate: bool) -> Tensor:
    """Position embeddings [1, tokens, width] for the patches of `spec`, bicubic where they were for another grid."""
    from timm.layers import resample_abs_pos_embed

    prefix, grid = int(spec.class_token), spec.img_size // spec.patch_size
    old_grid = math.isqrt(embedding.shape[1] - prefix)
    if old_grid == grid:
        return embedding
    if not interpolate:
        mismatch = f"the positions are for {old_grid} x {old_grid} patches, the images have {grid} x {grid}"
        raise ValueError(f"{mismatch}; convert: {{positions: interpolate}}")
    return resample_abs_pos_embed(embedding, [grid, grid], [old_grid, old_grid], num_prefix_tokens=prefix)


def fold_normalisation(state: State, before: Sequence[Any], after: Sequence[Any]) -> None:
    """Make the patch embedding take images normalised by (mean, std) `after` for those by `before`: the function stays.

    A pixel v was (v - m) / s and is x = (v - m') / s', so (v - m) / s = x * s' / s + (m' - m) / s. There is no padding.
    """
    (m, s), (mean, std) = (torch.tensor(x, dtype=torch.float64) for x in (before, after))
    weight, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    shift = weight.double().sum((2, 3)) @ ((mean - m) / s)
    state["patch_embed.proj.weight"] = (weight.double() * (std / s)[:, None, None]).to(weight.dtype)
    state["patch_embed.proj.bias"] = (bias.double() + shift).to(bias.dtype)
