"""What is known of an ancestor or a learngene that a start is made from: its entry in a suite, images that suit it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.files import read_file
from bench.shapes import mismatch
from bench.suite import checkpoint
from bench.suite.ancestor_source import own_size
from bench.suite.timm_models import lookup
from methods.base import META_KEY
from methods.vit import VitSpec

NORMALISED = ([float], type(None))
# of a config, as far as it is read
CONFIGURED = {
    "model_args?": {"num_heads?": int, "*": object},
    "pretrained_cfg?": {"mean?": NORMALISED, "std?": NORMALISED, "crop_pct?": (float, type(None)), "*": object},
    "*": object,
}
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of a folder as timm and `bench export` write it


@dataclass(frozen=True)
class Origin:
    """What an ancestor, or a learngene, says of images: `images` are settings of a data set, `classes` of its head."""

    entry: dict[str, Any]  # as a suite says it
    images: dict[str, Any]
    classes: int | None


def origin_of(source: str, heads: int | None) -> Origin:
    if source.startswith("timm:"):
        return _of_timm(source.removeprefix("timm:"))
    path = Path(source).expanduser()
    config: dict[str, Any] = {}
    if path.is_dir():
        config, path = _config(path), path / WEIGHTS
    if not path.is_file():
        raise UsageError(f"--from {source}: no such file; expected timm:NAME, a file of weights, or an exported folder")
    heads = heads or config.get("model_args", {}).get("num_heads")
    try:
        size = own_size(path)
        model = checkpoint.vit(str(path), size.num_heads if size else heads)
    except ValueError as error:
        raise UsageError(f"--from {error}") from None
    if size is None and heads is None:
        assert model.vit is not None
        guess = f"--heads {model.vit.embed_dim // checkpoint.HEAD_DIM}, if it has heads of {checkpoint.HEAD_DIM}"
        what = f"--from {source}: how many heads it has cannot be read from it"
        raise UsageError(f"{what}; expected {guess if model.vit.embed_dim >= checkpoint.HEAD_DIM else '--heads N'}")
    entry = {"checkpoint": str(path.resolve())} | ({} if size else {"num_heads": heads})
    return Origin(entry, _images(model.vit, config.get("pretrained_cfg", {})), model.classes)


def _of_timm(name: str) -> Origin:
    try:
        model = lookup(name)
    except ValueError as error:
        raise UsageError(f"--from timm:{name}: {error}") from None
    from timm.models import get_pretrained_cfg  # not above: it imports torch, and mistakes are told before

    config: Any = get_pretrained_cfg(model.name)
    return Origin({"timm": name}, _images(model.vit, config.to_dict() if config else {}), model.classes)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(read_file(folder / CONFIG) or b"")
    except (OSError, ValueError, RecursionError):
        raise UsageError(f"--from {folder}: no {CONFIG} in it that can be read; expected an exported folder") from None
    if trouble := mismatch(config, CONFIGURED):
        raise UsageError(
            f"--from {folder / CONFIG}: {trouble}; expected what bench export or timm's save_for_hf writes"
        )
    return config


def _images(size: VitSpec | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a data set whose images suit a model of that size, as far as its config says."""
    known: dict[str, Any] = {"img_size": size.img_size, "in_chans": size.in_chans} if size else {}
    channels = known.get("in_chans", 3)
    for key in ("mean", "std"):
        if config.get(key) and len(config[key]) == channels:
            known[key] = list(config[key])
    known |= {"crop_pct": config["crop_pct"]} if config.get("crop_pct") else {}
    if config.get("interpolation") in ("bilinear", "bicubic"):
        known["interpolation"] = config["interpolation"]
    if channels == 1 and "mean" not in known:
        known |= {"mean": [0.5], "std": [0.5]}
    return known


def _meta(learngene: Path | None) -> dict[str, Any]:
    if learngene is None:
        return {}
    from safetensors import safe_open  # not above: few need it

    with safe_open(str(learngene), framework="np") as file:
        return json.loads((file.metadata() or {}).get(META_KEY, "{}"))


def spec_in(learngene: Path | None) -> VitSpec | None:
    """The size of the ancestor that a learngene names, as those of most methods here do."""
    try:
        return VitSpec(**_meta(learngene)["ancestor"])
    except (KeyError, TypeError, ValueError):
        return None


def of_learngene(learngene: Path | None) -> Origin:
    spec = spec_in(learngene)
    return Origin({}, _images(spec, {}), spec.num_classes if spec else None)
