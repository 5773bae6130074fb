"""Ancestors of a suite: one, or a mapping of named ones."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.recipes.recipe import Recipe
from bench.suite.ancestor_source import own_size
from bench.suite.conversions import converted
from bench.suite.method_entries import recipe
from bench.suite.problems import Source, collect, field_names, nearest, shown
from bench.suite.schema import Ancestor, AncestorModel
from bench.suite.sizes import expand, spec
from bench.suite.suite import AncestorEntry
from bench.suite.timm_models import TimmModel, lookup
from methods.vit import VitSpec

NAME = re.compile(r"[A-Za-z0-9_.+-]+")


def parse(raw: Any, source: Source, dataset: Any) -> dict[str, AncestorEntry]:
    """Entries by name; a single ancestor is named `ancestor`. `dataset` turns a data set entry into a DataEntry."""
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not raw:
        raise source.error(("ancestor",), f"expected a mapping with the key 'model', found {shown(raw)}")
    if any(key in raw for key in field_names(Ancestor)):
        return {"ancestor": _entry("ancestor", raw, source, ("ancestor",), dataset)}
    names = [name for name in raw if not NAME.fullmatch(name)]
    if names:
        raise source.error(("ancestor", names[0]), f"{names[0]!r} is no name; expected letters, digits, _ . + and -")
    entries = collect(*(partial(_entry, name, raw[name], source, ("ancestor", name), dataset) for name in raw))
    return dict(zip(raw, entries, strict=True))


def _entry(name: str, raw: Any, source: Source, at: tuple[str, ...], dataset: Any) -> AncestorEntry:
    if not isinstance(raw, dict):
        near = nearest(at[-1], field_names(Ancestor))
        raise source.error(at, f"expected a mapping with the key 'model', found {shown(raw)}{near}")
    for keys, model, value in ((at, Ancestor, raw), ((*at, "model"), AncestorModel, raw.get("model"))):
        try:
            if isinstance(value, dict):
                model.model_validate(value)
            elif model is AncestorModel and value is not None:
                expected = "a mapping such as {embed_dim: 64, depth: 8}"
                raise source.error(keys, f"expected {expected}, found {shown(value)}")
        except ValidationError as error:
            raise source.invalid(keys, error, model) from None
    entry = Ancestor.model_validate(raw)
    try:
        sizes = expand(entry.model)
    except ValueError as error:
        raise source.error((*at, "model"), str(error)) from None
    if len(sizes) != 1:
        raise source.error((*at, "model"), f"an ancestor is one size, found {len(sizes)}")
    elsewhere, is_vit = _elsewhere(entry, sizes[0], source, at)
    trained = not elsewhere or "train" in raw
    return AncestorEntry(
        name=name,
        model=sizes[0] | elsewhere,
        recipe=recipe(Recipe(), entry.train, source, (*at, "train")) if trained else None,
        data=dataset(entry.dataset, (*at, "dataset")) if entry.dataset is not None else None,
        position=(*at, "model"),
        convert=entry.convert.model_dump(exclude_none=True),
        classes=entry.classes,
        is_vit=is_vit,
    )


def _elsewhere(
    entry: Ancestor, size: dict[str, Any], source: Source, at: tuple[str, ...]
) -> tuple[dict[str, Any], bool]:
    """What the suite says of weights from elsewhere, if it does, and whether they are those of a ViT."""
    model, convert = entry.model, entry.convert.model_dump(exclude_none=True)
    found: dict[str, Any] = {}
    is_vit = True
    if model.timm is not None:
        if size:
            raise source.error((*at, "model", next(iter(size))), "timm says the size; expected timm alone")
        weights = model.pretrained and model.checkpoint is None
        try:
            known = lookup(model.timm)
        except ValueError as error:
            raise source.error((*at, "model", "timm"), str(error)) from None
        if weights and known.classes is None:
            others = "another name, pretrained: false, or a checkpoint"
            raise source.error((*at, "model", "timm"), f"timm has no weights of {known.name}; expected {others}")
        is_vit = known.vit is not None
        found |= {"timm": known.name if weights else known.name.partition(".")[0], "pretrained": weights}
    if model.checkpoint is not None:
        if not Path(model.checkpoint).is_file():
            message = f"{model.checkpoint!r} is no file; expected a checkpoint (relative paths start at {Path.cwd()})"
            raise source.error((*at, "model", "checkpoint"), message)
        found["checkpoint"] = model.checkpoint
    for key in convert:
        if not found or not is_vit:
            what = f"{found['timm']} is no plain ViT" if found else "an ancestor that the suite trains has its own size"
            raise source.error((*at, "convert", key), f"nothing to convert: {what}")
    if "normalisation" in convert and "timm" not in found:
        message = "a checkpoint does not say how its images were normalised; a timm model does"
        raise source.error((*at, "convert", "normalisation"), message)
    if entry.classes and not found:
        raise source.error((*at, "classes"), "an ancestor that the suite trains has the data set's classes anyway")
    return found, is_vit


def ancestor_spec(entry: AncestorEntry, base: VitSpec, image: dict[str, int]) -> VitSpec:
    """The size of an ancestor; of one that is no ViT, `base`. Raises ValueError for an impossible one."""
    if not entry.is_vit:
        return base.replace(**image)
    if "timm" in entry.model:
        return converted(lookup(entry.model["timm"]), entry.convert, image)
    given, file = dict(entry.model), entry.model.get("checkpoint")
    if file is None:
        return spec(given, base, image)
    del given["checkpoint"]
    size = spec(given, own_size(file) or base, image)  # what else is in the file is seen when it is loaded
    return converted(TimmModel(file, None, size, "layer_scale" in entry.convert), entry.convert, image)
