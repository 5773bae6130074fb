"""Ancestors of a suite, from what it says of them."""

import os
from pathlib import Path
from typing import Any

from bench.recipes.recipe import Recipe
from bench.suite.entries import AncestorEntry, DataEntry
from bench.suite.paths import located, start
from bench.suite.problems import KeyPath, Source
from bench.suite.recipes import merged
from bench.suite.schema import Ancestor
from bench.suite.timm_models import lookup


def ancestor_entry(name: str, ancestor: Ancestor, data: DataEntry | None, source: Source, at: KeyPath) -> AncestorEntry:
    """The ancestor that the suite describes at the key `at`. Raises SuiteError."""
    (size,) = ancestor.model.sizes
    weights, is_vit = _weights(ancestor, size, source, at)
    trained = not weights or "train" in ancestor.model_fields_set
    idle = {"seed": not trained, "start": bool(weights)}
    for key in ("seed", "start"):
        if getattr(ancestor, key) and idle[key]:
            what = "weights from elsewhere are what they are"
            raise source.error((*at, key), f"{what}; expected an ancestor that the suite trains from its own start")
    return AncestorEntry(
        name=name,
        model=size | weights,
        recipe=merged(Recipe(), ancestor.train, source, (*at, "train")) if trained else None,
        data=data,
        position=(*at, "model"),
        convert=ancestor.convert.model_dump(exclude_none=True),
        classes=ancestor.classes,
        is_vit=is_vit,
        seed=ancestor.seed,
        start=ancestor.start,
    )


def _weights(ancestor: Ancestor, size: dict[str, Any], source: Source, at: KeyPath) -> tuple[dict[str, Any], bool]:
    """What the suite says of weights from elsewhere, if it does, and whether they are those of a ViT."""
    model = ancestor.model
    weights: dict[str, Any] = {}
    is_vit = True
    if model.timm is not None:
        weights, is_vit = _timm(ancestor, size, source, at)
    if model.checkpoint is not None:
        weights["checkpoint"] = _checkpoint(model.checkpoint, source, source.keys((*at, "model", "checkpoint")))
    conversions = ancestor.convert.model_dump(exclude_none=True)
    for key in conversions:
        if not weights or not is_vit:
            trained = "an ancestor that the suite trains has its own size"
            what = f"{weights['timm']} is no plain ViT" if weights else trained
            raise source.error((*at, "convert", key), f"nothing to convert: {what}")
    if "normalisation" in conversions and "timm" not in weights:
        message = "a checkpoint does not say how its images were normalised; a timm model does"
        raise source.error((*at, "convert", "normalisation"), message)
    if ancestor.classes and not weights:
        raise source.error((*at, "classes"), "an ancestor that the suite trains has the data set's classes anyway")
    return weights, is_vit


def _timm(ancestor: Ancestor, size: dict[str, Any], source: Source, at: KeyPath) -> tuple[dict[str, Any], bool]:
    """The name of a timm model, with the tag of its weights where they are used, and whether it is a ViT."""
    if size:
        raise source.error((*at, "model", next(iter(size))), "timm says the size; expected timm alone")
    at = source.keys((*at, "model", "timm"))
    try:
        model = lookup(ancestor.model.timm or "")
    except ValueError as error:
        raise source.error(at, str(error)) from None
    pretrained = ancestor.model.pretrained and ancestor.model.checkpoint is None
    if pretrained and model.classes is None:
        others = "another name, pretrained: false, or a checkpoint"
        raise source.error(at, f"timm has no weights of {model.name}; expected {others}")
    tagged = model.name if pretrained else model.name.partition(".")[0]
    return {"timm": tagged, "pretrained": pretrained}, model.vit is not None


def _checkpoint(text: str, source: Source, at: KeyPath) -> str:
    """The file of weights. Raises SuiteError where there is none."""
    file = Path(os.path.expandvars(located(text, source, at))).expanduser()
    if not file.is_file():
        base = start(source, at)
        raise source.error(at, f"{text!r} is no file; expected a checkpoint (relative paths start at {base})")
    return str(file)
