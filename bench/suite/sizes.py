"""From the sizes in a suite to model specs: presets, and what is left to the ancestor."""

from typing import Any

from bench.models import PRESETS
from bench.suite.problems import nearest
from methods.vit import VitSpec


def spec(size: dict[str, Any], base: VitSpec, image: dict[str, Any]) -> VitSpec:
    """The model of a size. `base` fills what it leaves out; `image` is the data set's img_size, in_chans, num_classes.

    Raises ValueError, naming the keys, for a size that cannot be built or a class count that contradicts the data.
    """
    fields = dict(size)
    preset = fields.pop("preset", None)
    if preset is not None:
        if preset not in PRESETS:
            raise ValueError(f"unknown preset {preset!r}{nearest(preset, PRESETS)}")
        fields = PRESETS[preset] | fields
    head_dim = fields.pop("head_dim", None)
    width = fields.get("embed_dim", base.embed_dim)
    if head_dim is not None and preset is not None:
        fields.pop("num_heads")
    if head_dim is not None:
        if "num_heads" in fields:
            raise ValueError("num_heads and head_dim are both given; expected one of them")
        if width % head_dim:
            raise ValueError(f"embed_dim {width} is not divisible by head_dim {head_dim}")
        fields["num_heads"] = width // head_dim
    elif "num_heads" not in fields:
        if width % base.head_dim:
            raise ValueError(
                f"embed_dim {width} is not divisible by the ancestor's head_dim {base.head_dim}; give num_heads"
            )
        fields["num_heads"] = width // base.head_dim
    classes = fields.pop("num_classes", None)
    if classes is not None and classes != image["num_classes"]:
        raise ValueError(f"num_classes {classes} contradicts the data set, which has {image['num_classes']} classes")
    model = base.replace(**fields | image)
    if model.hidden_dim < 1:
        raise ValueError(f"mlp_ratio {model.mlp_ratio:g} leaves no hidden unit at embed_dim {model.embed_dim}")
    return model
