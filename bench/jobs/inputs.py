"""What descriptions of jobs are made of: a data set, a method, weights from elsewhere, how to compute. Torch-free.

Each reads itself back from what it writes into a job's settings and local part.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Self

import methods
from bench.identity import Fixed, Same
from bench.recipes.recipe import Recipe
from methods import Initializer
from methods.vit import VitSpec


@dataclass(frozen=True)
class DataInput:
    """A data set. fingerprint: what of it goes into identities. settings: how a worker reads it (`DataSettings`).
    manifest: where, below the results, size and time of each of its files are, as they were planned with."""

    fingerprint: dict[str, Any]
    settings: dict[str, Any]
    manifest: str | None = None

    def local(self) -> dict[str, Any]:
        return self.settings | ({"manifest": self.manifest} if self.manifest else {})

    @classmethod
    def read(cls, fingerprint: dict[str, Any], local: dict[str, Any]) -> Self:
        """Read back what a job holds of its data set."""
        return cls(fingerprint, {k: v for k, v in local.items() if k != "manifest"}, local.get("manifest"))

    @property
    def name(self) -> str:
        return self.settings["name"]

    @property
    def source(self) -> str:
        return self.settings["source"]

    @property
    def train_images(self) -> int:
        return self.fingerprint["counts"]["train"]


@dataclass(frozen=True)
class MethodInput:
    """A method: which code, and the options that differ from their defaults.

    source: hash of the code of one from outside. code: hashes of its modules and files by name; no part of identities.
    """

    use: str
    version: int
    options: dict[str, Any]
    source: str | None = None
    code: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self) -> Fixed:
        return self._settings

    @cached_property
    def _settings(self) -> Fixed:
        code = {"use": self.use, "version": self.version} | ({"source": self.source} if self.source else {})
        return Fixed(code | {"options": self.options})

    def local(self) -> dict[str, Any]:
        return {"code": self.code} if self.code else {}

    @classmethod
    def read(cls, settings: dict[str, Any], local: dict[str, Any]) -> Self:
        return cls(**settings["method"], code=local.get("code", {}))

    @property
    def name(self) -> str:
        """The method's own name, whatever its label: labels are not part of identities."""
        return self.use.rpartition(":")[2]

    @property
    def trains(self) -> bool:
        return self.initializer().trains  # not of the class: a merge trains where what follows it does

    @property
    def shares_tensors(self) -> bool:
        """Whether a tensor of what it trains may stand in several layers; nobody knows it of one from outside."""
        return self.source is not None or self.initializer().shares_tensors

    @property
    def project_modules(self) -> set[str]:
        """Names of the project's modules that the method's class is derived from."""
        classes = methods.method_class(self.use).__mro__
        return {cls.__module__ for cls in classes if cls.__module__.partition(".")[0] == "methods"}

    def initializer(self) -> Initializer:
        return methods.get(self.use, **self.options)


@dataclass(frozen=True)
class WeightsInput:
    """Weights from elsewhere: a timm model, a checkpoint file, or the weights of a file in a timm model."""

    timm: str | None = None
    pretrained: bool = False  # by timm's own weights
    checkpoint: str | None = None  # sha256 of the file
    path: str | None = None  # of the file; no part of identities
    convert: dict[str, str] = field(default_factory=dict)
    same_classes: bool = False  # the suite says that the head's classes are the data set's

    def settings(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if self.timm is not None:
            out |= {"timm": self.timm, "pretrained": self.pretrained}
        if self.checkpoint is not None:
            out["checkpoint"] = self.checkpoint
        return (
            out
            | ({"convert": self.convert} if self.convert else {})
            | ({"same_classes": True} if self.same_classes else {})
        )

    def local(self) -> dict[str, Any]:
        return {} if self.path is None else {"weights": self.path}

    @classmethod
    def read(cls, settings: dict[str, Any], local: dict[str, Any]) -> Self | None:
        """None where the settings name no weights from elsewhere."""
        if "timm" not in settings and "checkpoint" not in settings:
            return None
        names = ("timm", "pretrained", "checkpoint", "convert", "same_classes")
        return cls(**{name: settings[name] for name in names if name in settings}, path=local.get("weights"))

    @property
    def ready_made(self) -> bool:
        """Whether nobody here knows what the weights cost."""
        return self.pretrained or self.checkpoint is not None


@dataclass(frozen=True)
class Computing:
    """How a job computes. Of this `threads` alone is part of identities: arithmetic depends on it."""

    threads: int = 1
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    gpus_per_run: int = 1


def recipe_settings(recipe: Recipe) -> Fixed:
    """A recipe's fields that differ from their defaults. `steps` stand in for `epochs`, which then do nothing."""
    return _recipe_settings(Same(recipe))


@lru_cache  # the runs of a plan have few recipes
def _recipe_settings(recipe: Same) -> Fixed:
    fields = recipe.value.model_dump(mode="json", exclude_defaults=True)
    return Fixed({name: value for name, value in fields.items() if name != "epochs" or "steps" not in fields})


def averaging_settings(method: MethodInput, recipe: Recipe) -> dict[str, Any]:
    """What tells the average of the weights from the one of before, in which a block that n layers share was averaged n
    times a step; nothing where the two are equal."""
    return {"average": "of each tensor once"} if recipe.ema is not None and method.shares_tensors else {}


def read_recipe(settings: dict[str, Any]) -> Recipe:
    return _recipe(json.dumps(settings))  # as JSON: its lists stand for tuples


@lru_cache
def _recipe(text: str) -> Recipe:
    return Recipe.model_validate_json(text)


def read_spec(settings: dict[str, Any]) -> VitSpec:
    return VitSpec(**settings)
