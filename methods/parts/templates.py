"""Which weights of a ViT are made of which templates: names, shapes and counts only, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from methods.vit import VitSpec

MATRICES = ("qkv", "proj", "fc1", "fc2")
Size = int | Literal["full"]


@dataclass(frozen=True)
class TiledGroup:
    """Equal-shaped tensors, one per layer, that share templates. Each is seen as a matrix cut into a grid of tiles.

    name:     also that of its templates and scalers.
    tensors:  names in the model, one per layer.
    shape:    of each tensor in the model.
    matrix:   (rows, columns) of each tensor as a matrix.
    tile:     (rows, columns) of a template.
    count:    number of templates.
    start:    how timm starts these tensors: normal with `std`, ones, or zeros.
    sections: parts of the rows that keep their meaning when the width changes: 3 for q, k, v.
    inputs:   whether columns are summed over, so that replicated ones have to be divided.
    """

    name: str
    tensors: tuple[str, ...]
    shape: tuple[int, ...]
    matrix: tuple[int, int]
    tile: tuple[int, int]
    count: int = 1
    start: Literal["normal", "ones", "zeros"] = "normal"
    std: float = 0.02
    sections: int = 1
    inputs: bool = False

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles along the rows and along the columns."""
        return self.matrix[0] // self.tile[0], self.matrix[1] // self.tile[1]

    @property
    def template_shape(self) -> tuple[int, int, int]:
        """[templates, tile rows, tile columns]."""
        return (self.count, *self.tile)

    @property
    def scaler_shape(self) -> tuple[int, int, int, int]:
        """[layers, templates, grid rows, grid columns]."""
        return (len(self.tensors), self.count, *self.grid)


def layout(spec: VitSpec, counts: Mapping[str, int], size: Size) -> list[TiledGroup]:
    """The groups named in `counts`, with that many templates each.

    size: side of a template. A dimension that does not grow with the width is never cut; "full" cuts none.
    """
    groups = (*_matrices(spec, size), *_others(spec, size))
    return [replace(group, count=counts[group.name]) for group in groups if group.name in counts]


def template_counts(
    spec: VitSpec, templates: int | Mapping[Any, int], size: Size, *, many_widths: bool, head: bool
) -> dict[str, int]:
    """Templates per group, a dict: of the four matrices of a block as asked; in a family of many widths also of every
    other tensor with a dimension that grows with the width (`head`: the classifier's weight too).

    Those others get the largest of the numbers asked for, but no more than their tiles in the ancestor `spec`, since
    that many express the ancestor exactly.
    """
    counts = dict.fromkeys(MATRICES, templates) if isinstance(templates, int) else dict(templates)
    if many_widths:
        most = max(counts.values())
        tiles = {group.name: len(group.tensors) * math.prod(group.grid) for group in _others(spec, size)}
        counts |= {name: min(most, n) for name, n in tiles.items() if head or name != "head"}
    return counts


def _matrices(spec: VitSpec, size: Size) -> list[TiledGroup]:
    width, hidden = spec.embed_dim, spec.hidden_dim
    shapes = {
        "qkv": ("attn.qkv.weight", (3 * width, width), _qkv_sections(size)),
        "proj": ("attn.proj.weight", (width, width), 1),
        "fc1": ("mlp.fc1.weight", (hidden, width), 1),
        "fc2": ("mlp.fc2.weight", (width, hidden), 1),
    }
    return [
        TiledGroup(name, _in_blocks(spec, path), shape, shape, _tile(shape, size), sections=n, inputs=True)
        for name, (path, shape, n) in shapes.items()
    ]


def _others(spec: VitSpec, size: Size) -> list[TiledGroup]:
    """Every other tensor with a dimension that grows with the width. Vectors are matrices of one column."""
    width, pixels, norm = spec.embed_dim, spec.in_chans * spec.patch_size**2, _final_norm(spec)

    def vector(name: str, tensors: tuple[str, ...], n: int, **more: Any) -> TiledGroup:
        return TiledGroup(name, tensors, (n,), (n, 1), _tile((n, 1), size, columns=False), **more)

    patch = (width, spec.in_chans, spec.patch_size, spec.patch_size)
    std = (3 * pixels) ** -0.5
    patches = TiledGroup("patch", ("patch_embed.proj.weight",), patch, (width, pixels), (0, 0), std=std)
    prefix = [("cls_token", 1)] if spec.class_token else []
    head = (spec.num_classes, width)
    return [
        replace(patches, tile=_tile(patches.matrix, size, columns=False)),
        vector("patch_bias", ("patch_embed.proj.bias",), width, start="zeros"),
        *(
            TiledGroup(name, (name,), (1, n, width), (n, width), _tile((n, width), size, rows=False))
            for name, n in [*prefix, ("pos_embed", spec.tokens)]
        ),
        *(vector(f"{n}_weight", _in_blocks(spec, f"{n}.weight"), width, start="ones") for n in ("norm1", "norm2")),
        *(vector(f"{n}_bias", _in_blocks(spec, f"{n}.bias"), width, start="zeros") for n in ("norm1", "norm2")),
        vector(
            "qkv_bias", _in_blocks(spec, "attn.qkv.bias"), 3 * width, start="zeros", sections=1 if size == "full" else 3
        ),
        vector("proj_bias", _in_blocks(spec, "attn.proj.bias"), width, start="zeros"),
        vector("fc1_bias", _in_blocks(spec, "mlp.fc1.bias"), spec.hidden_dim, start="zeros"),
        vector("fc2_bias", _in_blocks(spec, "mlp.fc2.bias"), width, start="zeros"),
        vector("final_weight", (f"{norm}.weight",), width, start="ones"),
        vector("final_bias", (f"{norm}.bias",), width, start="zeros"),
        TiledGroup("head", ("head.weight",), head, head, _tile(head, size, rows=False), inputs=True),
    ]


def _tile(matrix: tuple[int, int], size: Size, *, rows: bool = True, columns: bool = True) -> tuple[int, int]:
    """Shape of a template: `size` in the dimensions that are cut, the whole extent in the others."""
    if size == "full":
        return matrix
    return (size if rows else matrix[0], size if columns else matrix[1])


def _qkv_sections(size: Size) -> int:
    """Rows for q, k, v apart; not if a template holds them all."""
    return 1 if size == "full" else 3


def _in_blocks(spec: VitSpec, path: str) -> tuple[str, ...]:
    return tuple(f"blocks.{layer}.{path}" for layer in range(spec.depth))


def _final_norm(spec: VitSpec) -> str:
    """timm normalises after average pooling with `fc_norm`, else before it with `norm`."""
    return "fc_norm" if spec.global_pool == "avg" else "norm"
