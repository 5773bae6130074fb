"""Sizes of a VisionTransformer: their names and settings, and parameters, MACs and FLOPs in closed form, held against
torch's counter by the tests.

1 MAC = 2 FLOPs. Only matrix products and convolutions count, as in torch's FlopCounterMode and fvcore.
"""

from dataclasses import fields
from functools import lru_cache

from bench.identity import Fixed, Same
from methods.vit import VitSpec

# Sizes by name, as in DeiT (Touvron et al., 2021); class token and pooling stay this project's defaults.
PRESETS: dict[str, dict[str, int]] = {
    "deit_tiny": {"embed_dim": 192, "depth": 12, "num_heads": 3, "patch_size": 16},
    "deit_small": {"embed_dim": 384, "depth": 12, "num_heads": 6, "patch_size": 16},
    "deit_base": {"embed_dim": 768, "depth": 12, "num_heads": 12, "patch_size": 16},
}
SPEC_DEFAULTS = tuple((f.name, f.default) for f in fields(VitSpec))


def spec_settings(spec: VitSpec) -> Fixed:
    """The fields of a spec that differ from their defaults."""
    return _spec_settings(Same(spec))


@lru_cache  # the runs of a plan have few sizes
def _spec_settings(same: Same) -> Fixed:
    spec = same.value
    return Fixed({name: value for name, default in SPEC_DEFAULTS if (value := getattr(spec, name)) != default})


def size_name(spec: VitSpec) -> str:
    """Depth and width: `L6-d64`."""
    return f"L{spec.depth}-d{spec.embed_dim}"


def block_params(spec: VitSpec) -> int:
    """Parameters of one transformer block: four linear layers and two norms."""
    d, hidden = spec.embed_dim, spec.hidden_dim
    return (3 * d * d + 3 * d) + (d * d + d) + (2 * d * hidden + hidden + d) + 4 * d


def embedding_params(spec: VitSpec) -> int:
    """Patch embedding, positions, class token and final norm."""
    d = spec.embed_dim
    patch = spec.in_chans * spec.patch_size**2 * d + d
    return patch + spec.tokens * d + spec.class_token * d + 2 * d


def head_params(spec: VitSpec) -> int:
    return spec.embed_dim * spec.num_classes + spec.num_classes


def params(spec: VitSpec) -> int:
    """All parameters of the model, head included."""
    return spec.depth * block_params(spec) + embedding_params(spec) + head_params(spec)


def patch_macs(spec: VitSpec) -> int:
    return spec.patches * spec.in_chans * spec.patch_size**2 * spec.embed_dim


def macs(spec: VitSpec) -> int:
    """Multiply-accumulates of one forward pass of one image."""
    n, d = spec.tokens, spec.embed_dim
    block = n * (4 * d * d + 2 * d * spec.hidden_dim) + 2 * n * n * d
    return patch_macs(spec) + spec.depth * block + d * spec.num_classes


def forward_flops(spec: VitSpec) -> int:
    """FLOPs of one forward pass of one image."""
    return 2 * macs(spec)


@lru_cache  # plans have many runs of few sizes
def train_flops(spec: VitSpec) -> int:
    """FLOPs of forward and backward of one image, all parameters trained.

    The backward pass does each product twice (for the input and for the weight), but images need no gradient.
    """
    return 3 * forward_flops(spec) - 2 * patch_macs(spec)
