"""Learned growth: a wider ViT's tensors are [I; F] W [I; F]^T, and its blocks mixtures of a shallower one's.

Blocks are held unfused and stacked: a `Parts` maps `<module>.<kind>` to a tensor [layers, ...] for the eight modules
norm1, q, k, v, proj, norm2, fc1, fc2 and the kinds weight and bias. F maps are held by the dimension that they extend:
emb [D - d, d] of the stream, one for the net; q, k, v and ffn [layers, ...], own ones for each layer. Imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
Parts = dict[str, Tensor]

OUTPUTS = {"norm1": "emb", "q": "q", "k": "k", "v": "v", "proj": "emb", "norm2": "emb", "fc1": "ffn", "fc2": "emb"}
INPUTS = {"q": "emb", "k": "emb", "v": "emb", "proj": "v", "fc1": "emb", "fc2": "ffn"}
PARTS = tuple(f"{module}.{kind}" for module in OUTPUTS for kind in ("weight", "bias"))
PATHS = {"proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}  # modules that timm has elsewhere in a block


def unfused(state: Mapping[str, Tensor]) -> Parts:
    """The blocks of a timm state dict as parts, the fused qkv split in three."""
    depth = 1 + max(int(block[1]) for name in state if (block := re.match(r"blocks\.(\d+)\.", name)))
    parts: Parts = {}
    for part in PARTS:
        module, kind = part.split(".")
        path = "attn.qkv" if module in "qkv" else PATHS.get(module, module)
        stack = torch.stack([state[f"blocks.{block}.{path}.{kind}"] for block in range(depth)])
        parts[part] = stack.chunk(3, dim=1)["qkv".index(module)] if module in "qkv" else stack
    return parts


def fused(parts: Mapping[str, Tensor]) -> Tensors:
    """The parts as a timm state dict's blocks."""
    state: Tensors = {}
    for kind in ("weight", "bias"):
        stacks = {path: parts[f"{module}.{kind}"] for module, path in PATHS.items()}
        stacks |= {norm: parts[f"{norm}.{kind}"] for norm in ("norm1", "norm2")}
        stacks["attn.qkv"] = torch.cat([parts[f"{module}.{kind}"] for module in "qkv"], dim=1)
        for path, stack in stacks.items():
            state |= {f"blocks.{block}.{path}.{kind}": tensor for block, tensor in enumerate(stack.unbind())}
    return state


def extended(tensor: Tensor, new: Tensor | None, dim: int) -> Tensor:
    """[I; F] along `dim`, 1 or 2, of a batch [n, ...]: what is there, then F times it. F: [new, old] or [n, new, old].

    None: nothing is added.
    """
    if new is None:
        return tensor
    vectors = tensor.unsqueeze(-1) if tensor.dim() == 2 else tensor
    added = new @ vectors if dim == 1 else vectors @ new.mT
    return torch.cat([vectors, added], dim=dim).view(*tensor.shape[:dim], -1, *tensor.shape[dim + 1 :])


def widened(parts: Mapping[str, Tensor], maps: Mapping[str, Tensor]) -> Parts:
    """All parts with their outputs and inputs extended by the maps, those that there are."""
    wider: Parts = {}
    for part, stack in parts.items():
        module, kind = part.split(".")
        wider[part] = extended(stack, maps.get(OUTPUTS[module]), 1)
        if kind == "weight" and module in INPUTS:
            wider[part] = extended(wider[part], maps.get(INPUTS[module]), 2)
    return wider


def mixed(parts: Mapping[str, Tensor], coefficients: Mapping[str, Tensor]) -> Parts:
    """Blocks [new, ...] as sums of blocks [old, ...]; coefficients: part -> [new, old]."""
    return {
        part: (coefficients[part] @ stack.flatten(1)).unflatten(1, stack.shape[1:]) for part, stack in parts.items()
    }


def widened_rest(state: Mapping[str, Tensor], emb: Tensor | None, head: Tensor | None) -> Tensors:
    """What is outside of the blocks, extended in the stream by `emb`; the head's inputs by `head`."""
    wider: Tensors = {}
    for name, tensor in state.items():
        if name == "head.bias":
            wider[name] = tensor
        elif name == "head.weight":
            wider[name] = extended(tensor[None], head, 2)[0]
        elif name in ("pos_embed", "cls_token"):
            wider[name] = extended(tensor, emb, 2)
        else:  # the patch embedding and norms: the stream comes first
            flat = extended(tensor.flatten(1)[None] if tensor.dim() > 1 else tensor[None], emb, 1)[0]
            wider[name] = flat.view(-1, *tensor.shape[1:])
    return wider


def map_shapes(new: int, old: int, new_hidden: int, old_hidden: int, layers: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the maps from width `old` to `new`; none where nothing is added."""
    shapes: dict[str, tuple[int, ...]] = {}
    if new > old:
        shapes = {"emb": (new - old, old)} | dict.fromkeys("qkv", (layers, new - old, old))
    if new_hidden > old_hidden:
        shapes["ffn"] = (layers, new_hidden - old_hidden, old_hidden)
    return shapes


def fresh_map(shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Rows of a map: uniform, normalised to the sum 1, so that what is new starts as a mean of what is there."""
    return normalised(torch.rand(shape, generator=draw))


def fresh_mixture(sources: Iterable[int], count: int, noise: float, draw: torch.Generator) -> Tensor:
    """Coefficients [new, count]: one-hot at `sources`, plus uniform noise within 0..`noise`, normalised to sum 1."""
    one_hot = torch.eye(count)[list(sources)]
    return normalised(one_hot + noise * torch.rand(one_hot.shape, generator=draw))


def normalised(rows: Tensor) -> Tensor:
    """Rows divided by their sums."""
    return rows / rows.sum(-1, keepdim=True)
