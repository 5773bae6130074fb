"""Ancestors of a suite: one, or a mapping of named ones."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.recipe import Recipe
from bench.suite.method_entries import recipe
from bench.suite.problems import Source, collect, field_names, nearest, shown
from bench.suite.schema import Ancestor, AncestorModel
from bench.suite.sizes import expand, spec
from bench.suite.suite import AncestorEntry
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
        keys = field_names(Ancestor)
        raise source.error(at, f"expected a mapping with the key 'model', found {shown(raw)}{nearest(at[-1], keys)}")
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
    elsewhere = {k: v for k, v in (("timm", entry.model.timm), ("checkpoint", entry.model.checkpoint)) if v is not None}
    if "checkpoint" in elsewhere and not (at_file := Path(elsewhere["checkpoint"])).is_file():
        message = f"{str(at_file)!r} is no file; expected a checkpoint (relative paths start at {Path.cwd()})"
        raise source.error((*at, "model", "checkpoint"), message)
    trained = not elsewhere or "train" in raw
    model = sizes[0] | elsewhere | ({"pretrained": entry.model.pretrained} if "timm" in elsewhere else {})
    return AncestorEntry(
        name=name,
        model=model,
        recipe=recipe(Recipe(), entry.train, source, (*at, "train")) if trained else None,
        data=dataset(entry.dataset, (*at, "dataset")) if entry.dataset is not None else None,
        position=(*at, "model"),
    )


def ancestor_spec(entry: AncestorEntry, base: VitSpec, image: dict[str, int]) -> VitSpec:
    """The size of an ancestor. Raises ValueError for an impossible one."""
    given = {k: v for k, v in entry.model.items() if k not in ("timm", "pretrained", "checkpoint")}
    return spec(given, base, image)
