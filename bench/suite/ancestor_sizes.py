"""The size of an ancestor: the suite's, timm's or its file's, after the conversions asked for."""

from dataclasses import replace
from typing import Any

from bench.suite import checkpoint
from bench.suite.ancestor_source import own_size
from bench.suite.conversions import converted
from bench.suite.entries import AncestorEntry
from bench.suite.sizes import spec
from bench.suite.timm_models import TimmModel, lookup
from methods.vit import VitSpec

FIXED = ("embed_dim", "depth", "patch_size", "hidden_dim", "class_token")  # by the tensors in a file
HEADS = ("num_heads", "head_dim", "preset")  # keys that say them


def ancestor_spec(entry: AncestorEntry, base: VitSpec, image: dict[str, int]) -> VitSpec:
    """The size of an ancestor; of one that is no ViT, `base`. Raises ValueError for an impossible one, and for a file
    of weights that is not what the suite says."""
    file = entry.model.get("checkpoint")
    if file is not None and checkpoint.is_vit(tensors := checkpoint.shapes(file)):
        _check_head(entry, file, checkpoint.classes(tensors), image["num_classes"])
    if not entry.is_vit:
        return base.replace(**image)
    if "timm" in entry.model:
        model = lookup(entry.model["timm"])
        if file is not None and model.vit is not None and checkpoint.is_vit(checkpoint.shapes(file)):
            _check_size(file, checkpoint.vit(file), model.vit, f"{model.name} has")
        return converted(model, entry.convert, image)
    if file is None:
        return spec(dict(entry.model), base, image)
    return converted(_in_file(entry, file), entry.convert, image)


def _in_file(entry: AncestorEntry, file: str) -> TimmModel:
    """The model in a file, whose heads the suite says: all else is read."""
    size: dict[str, Any] = {key: value for key, value in entry.model.items() if key != "checkpoint"}
    recorded = own_size(file)
    in_file = checkpoint.vit(file, recorded.num_heads if recorded else None)
    assert in_file.vit is not None
    image = {"img_size": in_file.vit.img_size, "in_chans": in_file.vit.in_chans, "num_classes": in_file.vit.num_classes}
    if recorded is None and not size.keys() & set(HEADS):
        raise ValueError(_which_heads(file, in_file.vit))
    size.pop("num_classes", None)
    wished = spec(_without_token(size, in_file.vit), in_file.vit, image)
    _check_size(file, in_file, wished, "the suite says")
    if recorded is not None and recorded.num_heads != wished.num_heads:
        raise ValueError(
            f"{file} has num_heads {recorded.num_heads}, the suite says {wished.num_heads}; leave num_heads out"
        )
    return replace(in_file, vit=wished)


def _without_token(size: dict[str, Any], in_file: VitSpec) -> dict[str, Any]:
    """What a size says, by default pooled as without a class token where it has none."""
    drops = size.get("class_token") is False and "global_pool" not in size
    return {**size, "global_pool": "avg"} if drops and in_file.global_pool == "token" else size


def _which_heads(file: str, size: VitSpec) -> str:
    token = " and a class token" if size.class_token else ""
    proposed = size.embed_dim // checkpoint.HEAD_DIM
    usual = f"num_heads: {proposed}, if it has heads of {checkpoint.HEAD_DIM}" if proposed else "num_heads: N"
    return (
        f"{file} holds a ViT of width {size.embed_dim} with {size.depth} layers, patches of {size.patch_size}{token}; "
        f"how many heads it has cannot be read from it; expected {usual} (or timm: NAME, beside checkpoint)"
    )


def _check_size(file: str, in_file: TimmModel, wished: VitSpec, who: str) -> None:
    """Raises ValueError where the tensors of a file are not of the size said."""
    assert in_file.vit is not None
    for name in FIXED:
        have, want = getattr(in_file.vit, name), getattr(wished, name)
        if have == want:
            continue
        if name == "class_token" and have:
            how = "leave class_token out, or convert: {class_token: drop, global_pool: avg}"
            raise ValueError(f"{file} has a class token, {who} none; {how}")
        raise ValueError(f"{file} has {name} {have}, {who} {want}")


def _check_head(entry: AncestorEntry, file: str, classes: int, wanted: int) -> None:
    """Raises ValueError for a head that is not the data's, unless the suite says what becomes of it."""
    if classes == wanted:
        return
    what = f"the head of {file} has {classes} classes, the data {wanted}"
    if entry.classes == "same":
        raise ValueError(f"classes: same, but {what}")
    if classes and entry.classes != "other" and entry.recipe is None:
        how = "train: {epochs: N} to train it on the data first, or classes: other for a fresh head, untrained"
        raise ValueError(f"{what}; expected {how}")
