"""The entries of a suite, validated and resolved: data sets, ancestors, targets and methods."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.data import DataSettings, Description
from bench.recipes.recipe import Recipe
from bench.suite.outside import Code
from methods import Initializer


@dataclass
class DataEntry:
    """A data set of the suite: its settings and what it consists of."""

    settings: DataSettings
    description: Description

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def image(self) -> dict[str, Any]:
        """What the data set fixes of a model."""
        d = self.description
        return {"img_size": d.img_size, "in_chans": d.in_chans, "num_classes": d.num_classes}


# what a data set at a key of the suite consists of
DataAt = Callable[[DataSettings, tuple[str | int, ...]], DataEntry]


@dataclass
class AncestorEntry:
    """An ancestor: a size to train by `recipe`, or a timm model or checkpoint."""

    name: str
    model: dict[str, Any]  # what the suite says: sizes, or timm/pretrained/checkpoint
    recipe: Recipe | None  # None: not trained here
    data: DataEntry | None  # None: the data set of the runs
    position: tuple[str | int, ...]
    convert: dict[str, str] = field(default_factory=dict)  # conversions of weights from elsewhere
    classes: str | None = None  # "same": its head is known to have the data set's classes; "other": to have others
    is_vit: bool = True  # else it can be distilled from, and nothing more
    seed: int = 0  # tells apart ancestors that are made alike
    start: str | None = None  # name of the ancestor whose weights its training begins with


@dataclass
class TargetEntry:
    size: dict[str, Any]
    ancestor: str | None
    position: tuple[str | int, ...]


@dataclass
class MethodEntry:
    """One label of a suite: an initializer with its options and reserved keys."""

    label: str
    use: str
    initializer: Initializer
    train: dict[str, Any]
    runs: Recipe
    ancestors: list[str] | None
    seeds: list[int]
    code: Code | None  # of a method from outside
    control: str = ""
    learngene: str | None = None  # a file with the learngene, which is then not condensed
    condense_on: DataEntry | None = None  # the data set that its learngene is made on; None: as its ancestor's
    position: tuple[str, ...] = field(default_factory=tuple)

    def options(self, initializer: Initializer | None = None, *, at_start: bool = True) -> dict[str, Any]:
        """Options that differ from their defaults, `train` aside; without those that only `initialize` reads
        unless `at_start`."""
        return non_default(initializer or self.initializer, () if at_start else type(self.initializer).at_start)

    def identity(self) -> dict[str, str]:
        """Which code this is, but for its version."""
        return {"use": self.use} | ({"source": self.code.hash} if self.code else {})

    @property
    def starts_from_file(self) -> bool:
        """Whether nothing is condensed, and an ancestor only says what targets may be."""
        return self.learngene is not None

    @property
    def sees_targets(self) -> bool:
        """Whether a class from outside may make another learngene for other targets.

        Those of the project say by `family` and `resolve` what they depend on, which a test asserts; of others a worker
        sees whether they keep to what they say.
        """
        return self.code is not None and self.initializer.sees_targets


def non_default(initializer: Initializer, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    out = {}
    for f in dataclasses.fields(initializer):
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        value = getattr(initializer, f.name)
        if f.name != "train" and f.name not in leave_out and value != default:
            out[f.name] = value
    return out
