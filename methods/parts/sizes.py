"""Sizes that a rule for any width and depth serves, the shapes of their tensors, and those of all blocks as one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from methods.vit import VitSpec, mismatch

if TYPE_CHECKING:
    from torch import Tensor

SIZE = ("embed_dim", "depth", "num_heads", "mlp_ratio")  # the fields of a spec that make it larger or smaller
Shapes = dict[str, tuple[int, ...]]


def other_than_size(ancestor: VitSpec, target: VitSpec) -> str | None:
    """Why the target differs from the ancestor in more than depth, width and hidden width, or None.

    The channels of a head are no size: a wider net has more heads.
    """
    if ancestor.head_dim != target.head_dim:
        return f"cannot change head_dim: ancestor {ancestor.head_dim}, target {target.head_dim}"
    return mismatch(ancestor, target, may_differ=("embed_dim", "num_heads", "mlp_ratio"))


def size_of(spec: VitSpec) -> dict[str, Any]:
    """The fields `SIZE` of a spec: what `spec.replace` takes."""
    return {name: getattr(spec, name) for name in SIZE}


def size_from(depth: int, head_dim: int, num_heads: int, hidden_dim: int) -> dict[str, Any]:
    """The fields `SIZE` of a net with that many blocks, channels per head, heads and hidden units."""
    width = head_dim * num_heads
    ratio = hidden_dim / width
    if int(width * ratio) != hidden_dim:  # the quotient was rounded down
        ratio = math.nextafter(ratio, math.inf)
    return {"embed_dim": width, "depth": depth, "num_heads": num_heads, "mlp_ratio": ratio}


def largest(specs: Iterable[VitSpec]) -> dict[str, Any]:
    """The size that holds all of `specs`, which have the same channels per head: each field `SIZE` at its largest."""
    specs = list(specs)
    depth, heads, hidden = (max(getattr(s, name) for s in specs) for name in ("depth", "num_heads", "hidden_dim"))
    return size_from(depth, specs[0].head_dim, heads, hidden)


def common(one: VitSpec, other: VitSpec) -> dict[str, Any]:
    """The size that is in both: each field `SIZE` at the smaller of the two."""
    depth, heads, hidden = (min(getattr(one, n), getattr(other, n)) for n in ("depth", "num_heads", "hidden_dim"))
    return size_from(depth, one.head_dim, heads, hidden)


def shapes_of(spec: VitSpec) -> Shapes:
    """Name -> shape of every tensor of timm's VisionTransformer of that size."""
    d, hidden, final = spec.embed_dim, spec.hidden_dim, "fc_norm" if spec.global_pool == "avg" else "norm"
    linear = {"attn.qkv": (3 * d, d), "attn.proj": (d, d), "mlp.fc1": (hidden, d), "mlp.fc2": (d, hidden)}
    block: Shapes = {f"{norm}.{kind}": (d,) for norm in ("norm1", "norm2") for kind in ("weight", "bias")}
    for name, shape in linear.items():
        block |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    shapes: Shapes = {"cls_token": (1, 1, d)} if spec.class_token else {}
    shapes |= {"pos_embed": (1, spec.tokens, d)}
    shapes |= {"patch_embed.proj.weight": (d, spec.in_chans, *[spec.patch_size] * 2), "patch_embed.proj.bias": (d,)}
    shapes |= {f"blocks.{i}.{key}": shape for i in range(spec.depth) for key, shape in block.items()}
    shapes |= {f"{final}.weight": (d,), f"{final}.bias": (d,)}
    return shapes | {"head.weight": (spec.num_classes, d), "head.bias": (spec.num_classes,)}


def stacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of all blocks as one each, `blocks.<key>` [L, ...]; every other tensor as it is."""
    import torch

    rest = {name: t for name, t in state.items() if not name.startswith("blocks.")}
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    keys = [name.removeprefix("blocks.0.") for name in state if name.startswith("blocks.0.")]
    return rest | {f"blocks.{key}": torch.stack([state[f"blocks.{i}.{key}"] for i in range(depth)]) for key in keys}


def unstacked(stacks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `stacked` was given."""
    state: dict[str, Tensor] = {}
    for name, stack in stacks.items():
        if name.startswith("blocks."):
            state |= {f"blocks.{i}.{name.removeprefix('blocks.')}": t for i, t in enumerate(stack)}
        else:
            state[name] = stack
    return state


def stacked_shapes(shapes: Mapping[str, tuple[int, ...]]) -> Shapes:
    """The shapes that `stacked` gives tensors of those shapes."""
    stacks: Shapes = {}
    for name, shape in shapes.items():
        if block := re.match(r"blocks\.(\d+)\.", name):
            key = f"blocks.{name[block.end() :]}"
            stacks[key] = (max(stacks.get(key, (0,))[0], int(block[1]) + 1), *shape)
        else:
            stacks[name] = shape
    return stacks
