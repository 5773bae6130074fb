"""The architecture of ancestors and targets: a timm VisionTransformer, described by a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class VitSpec:
    """Size of a timm VisionTransformer. Torch is not needed to make one.

    The defaults are DeiT-Tiny without class token and with average pooling, as in the learngene papers.
    """

    embed_dim: int = 192
    depth: int = 12
    num_heads: int = 3
    patch_size: int = 16
    img_size: int = 224
    in_chans: int = 3
    num_classes: int = 1000
    mlp_ratio: float = 4.0
    class_token: bool = False
    global_pool: Literal["avg", "token"] = "avg"

    def __post_init__(self) -> None:
        for name in ("embed_dim", "depth", "num_heads", "patch_size", "img_size", "in_chans", "num_classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.img_size % self.patch_size:
            raise ValueError(f"img_size {self.img_size} is not divisible by patch_size {self.patch_size}")
        if self.global_pool not in ("avg", "token"):
            raise ValueError(f"global_pool must be 'avg' or 'token', found {self.global_pool!r}")
        if self.global_pool == "token" and not self.class_token:
            raise ValueError("global_pool 'token' needs class_token: true")

    @property
    def head_dim(self) -> int:
        return self.embed_dim // self.num_heads

    @property
    def hidden_dim(self) -> int:
        """Width of the MLP's hidden layer."""
        return int(self.embed_dim * self.mlp_ratio)

    @property
    def patches(self) -> int:
        return (self.img_size // self.patch_size) ** 2

    @property
    def tokens(self) -> int:
        """Patches plus class token."""
        return self.patches + self.class_token

    def replace(self, **changes: Any) -> VitSpec:
        return replace(self, **changes)


def build_vit(spec: VitSpec, **kwargs: Any) -> nn.Module:
    """A timm VisionTransformer of that size with timm's own initialisation, drawn from torch's global generator.

    `kwargs` go to timm (for example `weight_init="jax"`, `drop_path_rate=0.1`). Within `torch.device("meta")`, where
    tensors have shapes and no numbers, nothing is drawn.
    """
    import torch
    from timm.models.vision_transformer import VisionTransformer

    if torch.get_default_device().type == "meta":
        kwargs = {"weight_init": "skip"} | kwargs  # to draw no numbers, in Python there, takes five times the rest
    return VisionTransformer(
        img_size=spec.img_size,
        patch_size=spec.patch_size,
        in_chans=spec.in_chans,
        num_classes=spec.num_classes,
        embed_dim=spec.embed_dim,
        depth=spec.depth,
        num_heads=spec.num_heads,
        mlp_ratio=spec.mlp_ratio,
        class_token=spec.class_token,
        global_pool=spec.global_pool,
        **kwargs,
    )


def spec_of(model: nn.Module) -> VitSpec:
    """The size of a timm VisionTransformer. Raises TypeError for any other architecture."""
    vit: Any = model  # torch's types call every attribute of a module a tensor or a module
    try:
        block, embed = vit.blocks[0], vit.patch_embed
        spec = VitSpec(
            embed_dim=vit.embed_dim,
            depth=len(vit.blocks),
            num_heads=block.attn.num_heads,
            patch_size=embed.patch_size[0],
            img_size=embed.img_size[0],
            in_chans=embed.proj.in_channels,
            num_classes=vit.num_classes,
            mlp_ratio=mlp_ratio_of(block.mlp.fc1.out_features, vit.embed_dim),
            class_token=vit.cls_token is not None,
            global_pool=vit.global_pool,
        )
    except AttributeError as error:
        raise TypeError(f"{type(model).__name__} is not a plain timm VisionTransformer: {error}") from None
    return spec


def mlp_ratio_of(hidden: int, width: int) -> float:
    """The ratio from which `VitSpec.hidden_dim` finds `hidden` again: a quotient may be rounded just below it."""
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf)


def mismatch(ancestor: VitSpec, target: VitSpec, may_differ: tuple[str, ...] = ()) -> str | None:
    """Why the target's input side differs from the ancestor's, or None. Depth and classes may always differ.

    `may_differ` names further fields that the method can change, such as `embed_dim`.
    """
    for name in ("embed_dim", "num_heads", "patch_size", "img_size", "in_chans", "mlp_ratio", "class_token"):
        if name not in may_differ and getattr(ancestor, name) != getattr(target, name):
            return f"cannot change {name}: ancestor {getattr(ancestor, name)}, target {getattr(target, name)}"
    return None
