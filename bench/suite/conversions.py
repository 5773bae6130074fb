"""Conversions of an ancestor from elsewhere into a plain ViT: what they do to its size, and when they are needed.

`bench.jobs.parts.conversions` does them to weights.
"""

from typing import Any

from bench.suite.timm_models import TimmModel
from methods.vit import VitSpec


def converted(model: TimmModel, wishes: dict[str, str], image: dict[str, Any]) -> VitSpec:
    """Size of `model` after the conversions that a suite asks for, on a data set's `image`.

    Nothing is converted unasked: raises ValueError for a conversion that is needed and not asked for, or asked for and
    impossible.
    """
    size = model.vit
    assert size is not None
    _tokens(model, size, wishes)
    if model.layer_scale and "layer_scale" not in wishes:
        raise ValueError(f"{model.name} scales its residual branches; a plain ViT needs convert: {{layer_scale: fold}}")
    if "layer_scale" in wishes and not model.layer_scale:
        raise ValueError(f"convert.layer_scale: {model.name} does not scale its residual branches")
    if size.in_chans != image["in_chans"]:
        channels = f"{model.name} takes {size.in_chans} channels, the images have {image['in_chans']}"
        raise ValueError(f"{channels}; give the data set in_chans: {size.in_chans}")
    if size.img_size != image["img_size"] and "positions" not in wishes:
        pixels = f"{model.name} takes {size.img_size} pixels, the images have {image['img_size']}"
        expected = f"img_size: {size.img_size} of the data set, or convert: {{positions: interpolate}}"
        raise ValueError(f"{pixels}; expected {expected}")
    token = {"class_token": False} if "class_token" in wishes else {}
    pool = {"global_pool": "avg"} if "global_pool" in wishes else {}
    return size.replace(**token, **pool, **image)


def _tokens(model: TimmModel, size: VitSpec, wishes: dict[str, str]) -> None:
    pools, drops = "global_pool" in wishes, "class_token" in wishes
    if drops and not size.class_token:
        raise ValueError(f"convert.class_token: {model.name} has no class token")
    if pools and size.global_pool == "avg":
        raise ValueError(f"convert.global_pool: {model.name} pools by average")
    if drops and size.global_pool == "token" and not pools:
        raise ValueError(
            f"convert.class_token: the head of {model.name} reads the class token; without it, convert also "
            "global_pool: avg"
        )
    if size.class_token and not model.class_position and not drops:
        raise ValueError(
            f"the class token of {model.name} has no position, which a plain ViT's has; "
            "convert: {class_token: drop, global_pool: avg}"
        )
