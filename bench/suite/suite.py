"""A suite, validated and resolved: what a plan is made from. Torch-free."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.data import DataSettings, Description
from bench.recipes.recipe import Recipe
from bench.suite.method_entries import MethodEntry
from bench.suite.problems import Source
from bench.suite.schema import SuiteFile
from methods.vit import VitSpec


@dataclass
class DataEntry:
    """A data set of the suite: its settings and what was found of it."""

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


@dataclass
class AncestorEntry:
    """An ancestor: a size to train by `recipe`, or a timm model or checkpoint."""

    name: str
    model: dict[str, Any]  # what the suite says: sizes, or timm/pretrained/checkpoint
    recipe: Recipe | None  # None: not trained here
    data: DataEntry | None  # None: the data set of the runs
    position: tuple[str | int, ...]
    convert: dict[str, str] = field(default_factory=dict)  # conversions of weights from elsewhere
    classes: str | None = None  # "same": its head is known to have the data set's classes
    is_vit: bool = True  # else it can be distilled from, and nothing more


@dataclass
class TargetEntry:
    given: dict[str, Any]
    ancestor: str | None
    position: tuple[str | int, ...]


@dataclass
class Suite:
    """Everything a suite file says."""

    file: SuiteFile
    path: Path
    resolved: dict[str, Any]  # the plain data, `--set` applied
    source: Source
    data: list[DataEntry]
    ancestors: dict[str, AncestorEntry]
    targets: list[TargetEntry]
    methods: list[MethodEntry]

    @property
    def name(self) -> str:
        return self.file.name

    def base_spec(self, ancestor: AncestorEntry | None, data: DataEntry) -> VitSpec:
        """The ancestor's size on a data set, or this project's default size without one."""
        from bench.suite.ancestors import ancestor_spec

        image = data.image
        plain = VitSpec(**image) if image["img_size"] % 16 == 0 else VitSpec(patch_size=image["img_size"], **image)
        return plain if ancestor is None else ancestor_spec(ancestor, plain, (ancestor.data or data).image)
