"""What each dimension of each tensor of a plain timm ViT runs over."""

from __future__ import annotations

import re

# Dimensions of one role meet in the computation, so whatever is done to one has to be done to all alike ("" is one
# that no method changes). The rows of the fused qkv are q, k and v, each head by head.
_NORM: dict[str, tuple[str, ...]] = {"weight": ("stream",), "bias": ("stream",)}
_MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "patch_embed.proj": {"weight": ("stream", "channels", "pixels", "pixels"), "bias": ("stream",)},
    "norm1": _NORM,
    "attn.qkv": {"weight": ("qkv", "stream"), "bias": ("qkv",)},
    "attn.proj": {"weight": ("stream", "attention"), "bias": ("stream",)},
    "norm2": _NORM,
    "mlp.fc1": {"weight": ("hidden", "stream"), "bias": ("hidden",)},
    "mlp.fc2": {"weight": ("stream", "hidden"), "bias": ("stream",)},
    "norm": _NORM,
    "fc_norm": _NORM,
    "head": {"weight": ("", "stream"), "bias": ("",)},
}
ROLES = {f"{module}.{kind}": dims for module, kinds in _MODULES.items() for kind, dims in kinds.items()}
ROLES |= {"cls_token": ("", "", "stream"), "pos_embed": ("", "tokens", "stream")}


def block_of(name: str) -> tuple[int | None, str]:
    """(block, name within the block) of the tensor `name`; (None, name) for one outside the blocks."""
    block = re.match(r"blocks\.(\d+)\.", name)
    return (int(block[1]), name[block.end() :]) if block else (None, name)


def roles(name: str) -> tuple[str, ...]:
    """The role of each dimension of the tensor `name`. Raises ValueError for one that a plain ViT does not have."""
    try:
        return ROLES[block_of(name)[1]]
    except KeyError:
        raise ValueError(f"the tensor {name!r} of the ancestor is not known: expected a plain timm ViT") from None


def is_norm(name: str) -> bool:
    """Whether the tensor `name` belongs to a LayerNorm."""
    return block_of(name)[1].split(".")[0] in ("norm1", "norm2", "norm", "fc_norm")


def reads(name: str, dim: int) -> bool:
    """Whether dimension `dim` of the tensor `name` is that of a matrix's inputs, which the product sums over."""
    return dim == 1 and len(roles(name)) == 2
