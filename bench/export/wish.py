"""A start that is wished for on the command line or in Python, as a suite of one run. Torch-free but for pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import methods
from bench.data import DataSettings, Description, describe
from bench.errors import UsageError
from bench.files import read_file
from bench.plan import Plan, make_plan
from bench.shapes import mismatch
from bench.suite import checkpoint, load, yaml_lines
from bench.suite.ancestor_source import own_size
from bench.suite.ready_learngene import not_a_learngene
from bench.suite.timm_models import lookup
from methods import Initializer
from methods.base import META_KEY
from methods.vit import VitSpec

NAME = "init"  # of the suite
IMAGES = "images"  # stands for a data set of which nothing is known but what models see of it
ROOT = "$IMAGES"
NORMALISED = ([float], type(None))
# of a config, as far as it is read
CONFIGURED = {
    "model_args?": {"num_heads?": int, "*": object},
    "pretrained_cfg?": {"mean?": NORMALISED, "std?": NORMALISED, "crop_pct?": (float, type(None)), "*": object},
    "*": object,
}
CONFIG, WEIGHTS = "config.json", "model.safetensors"  # of a folder as timm and `bench export` write it


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    method:    its name, or `module:Class`. options: of the method, and what else a label of a suite takes.
    sources:   ancestors: `timm:NAME`, a file of weights, or a folder as `bench export` writes it.
    to:        the target's size, as an entry of `targets`; what is left out is the ancestor's, or that of DeiT-Tiny.
    learngene: a file with the learngene, which is then not condensed.
    classes:   how many the head of the target has, fresh; None: those of the ancestor or of the data set. Beside a data
               set also `same` or `other`, as an ancestor of a suite says it.
    dataset:   as a suite says it; None: a method that reads no image needs none.
    heads:     of ancestors in files, which do not say it.
    settings:  changes to the suite that this is, as `--set`.
    """

    method: str
    sources: Sequence[str] = ()
    to: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    learngene: Path | None = None
    classes: int | str | None = None
    img_size: int | None = None
    dataset: Any = None
    heads: int | None = None
    seed: int = 0
    settings: Sequence[str] = ()


@dataclass(frozen=True)
class Origin:
    """What an ancestor, or a learngene, says of images: `images` are settings of a data set, `classes` of its head."""

    entry: dict[str, Any]  # as a suite says it
    images: dict[str, Any]
    classes: int | None


def suite_text(wish: Wish) -> str:
    """The wish as a suite. Raises UsageError for a source that is none."""
    origins = [_origin(source, wish.heads) for source in wish.sources]
    suite: dict[str, Any] = {"name": NAME, "dataset": _dataset(wish, origins)}
    if origins:
        heads = {"classes": _heads(wish)} if _heads(wish) else {}
        entries = [origin.entry | heads for origin in origins]
        named = {f"ancestor_{number}": entry for number, entry in enumerate(entries, 1)}
        suite["ancestor"] = entries[0] if len(entries) == 1 else named
    suite["targets"] = [{**_size_of_learngene(wish), **wish.to}]
    label = wish.method.rpartition(":")[2]
    entry = ({"use": wish.method} if label != wish.method else {}) | dict(wish.options)
    suite["methods"] = {label: entry | ({"learngene": str(wish.learngene.resolve())} if wish.learngene else {})}
    suite |= {"train": {"epochs": 0}, "seeds": [wish.seed]}
    return yaml_lines.dump(suite)


def shown_suite(plan: Plan) -> str:
    """The suite of a wish, `--set` applied, as a file that `bench run` takes."""
    head = ["as bench init makes it: the start is evaluated, and trained where epochs are above 0"]
    if plan.cells[0].data.settings.root == ROOT:
        head.append(f"{ROOT}: a folder of images, train/CLASS and val/CLASS")
    return "".join(f"# {line}\n" for line in head) + yaml_lines.dump(plan.suite.resolved)


def plan_of(wish: Wish) -> Plan:
    """The plan of the one run that begins with the start. Raises SuiteError or UsageError for what cannot be."""
    _check(wish)
    settings = list(wish.settings)
    suite = load(Path(f"{NAME}.yaml"), settings, look_at=partial(_look, wish), text=suite_text(wish))
    plan = make_plan(suite)
    if len(plan.cells) != 1:
        raise UsageError(f"this is {len(plan.cells)} starts; expected one size and one seed")
    (cell,) = plan.cells
    if cell.skipped:
        raise UsageError(f"{wish.method} {cell.skipped}")
    return plan


def needs_data(plan: Plan) -> str:
    """Why the start cannot be made without images; empty where it can, as far as the method says."""
    (cell,) = plan.cells
    initializer, name = cell.method.initializer, cell.method.use
    if initializer.trains_start:
        return f"{name} trains to initialise"
    if cell.method.starts_from_file:
        return ""
    if initializer.trains:
        return f"{name} trains to make its learngene"
    read = [thing for thing in ("images", "labels") if thing in initializer.uses]
    return f"{name} reads {' and '.join(read)}" if read else ""


def _check(wish: Wish) -> None:
    if isinstance(wish.classes, str) and (wish.dataset is None or wish.classes not in ("same", "other")):
        expected = "a whole number" + (", same or other" if wish.dataset is not None else "")
        raise UsageError(f"--classes {wish.classes}: expected {expected}")
    if isinstance(wish.classes, int) and wish.dataset is not None:
        raise UsageError(f"--classes {wish.classes}: the data set says how many there are; leave one of the two out")
    try:
        cls: type[Initializer] | None = methods.method_class(wish.method)
    except Exception:  # the suite tells what is wrong with it
        cls = None
    if cls is not None and cls.ancestors and not wish.sources and wish.learngene is None:
        raise UsageError(f"{wish.method} needs an ancestor; expected --from timm:NAME or a file, or --learngene FILE")
    if wish.learngene is not None:
        if not wish.learngene.is_file():
            raise UsageError(f"--learngene {wish.learngene}: no such file")
        if trouble := not_a_learngene(wish.learngene):
            raise UsageError(f"--learngene {trouble}")


def _heads(wish: Wish) -> str | None:
    """The key `classes` of the ancestor. Without a data set its own classes are those of the target, unless others are
    asked for."""
    if wish.dataset is not None:
        return wish.classes if isinstance(wish.classes, str) else None
    return "same" if wish.classes is None else "other"


def _dataset(wish: Wish, origins: list[Origin]) -> Any:
    size = {"img_size": wish.img_size} if wish.img_size else {}
    if wish.dataset is not None:
        named = {"name": wish.dataset} if isinstance(wish.dataset, str) else wish.dataset
        return {**named, **size} if isinstance(named, dict) else named
    origin = origins[0] if origins else _of_learngene(wish.learngene)
    classes = wish.classes if wish.classes is not None else origin.classes
    if classes == 0 or (classes is None and origins):
        raise UsageError(f"{wish.sources[0]} has no head; expected --classes N, how many the target's has")
    known = {"name": IMAGES, "source": "folder", "root": ROOT, **origin.images, **size}
    return known | {"num_classes": classes if classes is not None else VitSpec.num_classes}


def _origin(source: str, heads: int | None) -> Origin:
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
        own = own_size(path)
        model = checkpoint.vit(str(path), own.num_heads if own else heads)
    except ValueError as error:
        raise UsageError(f"--from {error}") from None
    if own is None and heads is None:
        assert model.vit is not None
        guess = f"--heads {model.vit.embed_dim // checkpoint.HEAD_DIM}, if it has heads of {checkpoint.HEAD_DIM}"
        what = f"--from {source}: how many heads it has cannot be read from it"
        raise UsageError(f"{what}; expected {guess if model.vit.embed_dim >= checkpoint.HEAD_DIM else '--heads N'}")
    entry = {"checkpoint": str(path.resolve())} | ({} if own else {"num_heads": heads})
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


def _spec_in(learngene: Path | None) -> VitSpec | None:
    """The size of the ancestor that a learngene names, as those of most methods here do."""
    try:
        return VitSpec(**_meta(learngene)["ancestor"])
    except (KeyError, TypeError, ValueError):
        return None


def _of_learngene(learngene: Path | None) -> Origin:
    spec = _spec_in(learngene)
    return Origin({}, _images(spec, {}), spec.num_classes if spec else None)


def _size_of_learngene(wish: Wish) -> dict[str, Any]:
    """What the target takes from the ancestor of a ready learngene, where no other ancestor says it."""
    spec = _spec_in(wish.learngene) if not wish.sources else None
    if spec is None:
        return {}
    left_out = {"img_size", "in_chans", "num_classes", *(["num_heads"] if "head_dim" in wish.to else [])}
    return {name: value for name, value in asdict(spec).items() if name not in left_out}


def _look(wish: Wish, settings: DataSettings) -> Description:
    """What a data set is; the one that stands for none has as many classes as it says, and no image."""
    if wish.dataset is not None or settings.root != ROOT:
        return describe(settings)
    classes = tuple(map(str, range(settings.num_classes or 1)))
    counts = dict.fromkeys(("train", "val", "test"), 0)
    fingerprint = {"name": settings.name, "classes": settings.num_classes, "counts": counts}
    return Description(settings.name, classes, counts, settings.img_size, settings.in_chans, fingerprint)
