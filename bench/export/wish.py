"""A start that is wished for on the command line or in Python, as a suite of one run. Torch-free but for pickles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import methods
from bench.data import DataSettings, Description, describe
from bench.errors import UsageError
from bench.export.origins import Origin, of_learngene, origin_of, spec_in
from bench.plan import Plan, make_plan
from bench.suite import load, yaml_lines
from bench.suite.ready_learngene import not_a_learngene
from methods import Initializer
from methods.vit import VitSpec

NAME = "init"  # of the suite
IMAGES = "images"  # stands for a data set of which nothing is known but what models see of it
ROOT = "$IMAGES"


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


def suite_text(wish: Wish) -> str:
    """The wish as a suite. Raises UsageError for a source that is none."""
    origins = [origin_of(source, wish.heads) for source in wish.sources]
    suite: dict[str, Any] = {"name": NAME, "dataset": _dataset(wish, origins)}
    if origins:
        heads = {"classes": _heads(wish)} if _heads(wish) else {}
        entries = [origin.entry | heads for origin in origins]
        named = {f"ancestor_{number}": entry for number, entry in enumerate(entries, 1)}
        suite["ancestor"] = entries[0] if len(entries) == 1 else named
    suite["targets"] = [{**_sizeof_learngene(wish), **wish.to}]
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
    origin = origins[0] if origins else of_learngene(wish.learngene)
    classes = wish.classes if wish.classes is not None else origin.classes
    if classes == 0 or (classes is None and origins):
        raise UsageError(f"{wish.sources[0]} has no head; expected --classes N, how many the target's has")
    known = {"name": IMAGES, "source": "folder", "root": ROOT, **origin.images, **size}
    return known | {"num_classes": classes if classes is not None else VitSpec.num_classes}


def _sizeof_learngene(wish: Wish) -> dict[str, Any]:
    """What the target takes from the ancestor of a ready learngene, where no other ancestor says it."""
    spec = spec_in(wish.learngene) if not wish.sources else None
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
