"""A suite file, described once: the type, limits and default of every key. `bench schema` prints the same models.

What depends on several keys at once, on the data or on a method's class is checked by `load`.
"""

import itertools
import math
from types import NoneType
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from bench.data import DataSettings
from bench.recipes.named import RECIPES
from bench.recipes.recipe import RecipeFields
from bench.suite.families import FamilyName, FamilyOfTests
from bench.suite.problems import nearest, shown
from bench.suite.slurm import Slurm
from bench.suite.strict import Strict
from bench.suite.tune import Tune
from bench.suite.values import (
    Count,
    DepthAxis,
    FloatAxis,
    IntAxis,
    KeptWeights,
    Label,
    Name,
    NameAxis,
    OrOne,
    Seeds,
    mapping,
    worded,
)

MAX_SIZES = 10_000


class Changes(RecipeFields):
    """Changes to a recipe: those of the recipe that is named, and over them what is said."""

    recipe: Annotated[
        Literal[tuple(RECIPES)],  # type: ignore[valid-type]
        worded(lambda value: f"unknown recipe {shown(value)}{nearest(str(value), RECIPES)}"),
    ] = Field(default=None, description="the named recipe it starts from")

    def as_mapping(self) -> dict[str, Any]:
        """Returns what the suite says, as it says it."""
        return self.model_dump(mode="json", exclude_unset=True)


Train = Annotated[Changes, mapping("a mapping such as {epochs: 5, lr: 1.0e-3}")]


def _not_empty(value: Any) -> Any:
    if value == []:
        raise ValueError("an empty list; expected at least one data set")
    return value


_dataset = mapping("a name, a mapping such as {name: digits} or a list of these", str, shape=str | DataSettings)
Dataset = Annotated[DataSettings, _dataset]
Datasets = Annotated[list[Dataset], Field(min_length=1), OrOne(), BeforeValidator(_not_empty)]


class ModelSize(Strict):
    """A target (every list is an axis) or the model of an ancestor. What is left out comes from the ancestor."""

    arch: Literal["vit"] = "vit"
    preset: NameAxis | None = None
    embed_dim: IntAxis | None = None
    depth: DepthAxis | None = None
    num_heads: IntAxis | None = None
    head_dim: IntAxis | None = None
    patch_size: IntAxis | None = None
    mlp_ratio: FloatAxis | None = None
    class_token: bool | None = None
    global_pool: Literal["avg", "token"] | None = None
    num_classes: Count | None = None

    @property
    def sizes(self) -> list[dict[str, Any]]:
        """Every combination of the axes, as mappings of what is said. Raises ValueError where there are too many."""
        axes = {name: getattr(self, name) for name in AXES if getattr(self, name) is not None}
        n = math.prod(map(len, axes.values()))
        if n > MAX_SIZES:
            raise ValueError(f"the axes make {n:,} sizes; expected at most {MAX_SIZES:,}")
        plain = {name: getattr(self, name) for name in PLAIN if getattr(self, name) is not None}
        return [dict(zip(axes, values, strict=True)) | plain for values in itertools.product(*axes.values())]


AXES = ("preset", "embed_dim", "depth", "num_heads", "head_dim", "patch_size", "mlp_ratio")
PLAIN = ("class_token", "global_pool", "num_classes")


class Target(ModelSize):
    ancestor: str | None = None

    @model_validator(mode="after")
    def _few_enough(self) -> Self:
        assert self.sizes
        return self


class AncestorModel(ModelSize):
    """A size to train, a timm model with its pretrained weights, or a checkpoint file of either."""

    timm: str | None = None
    pretrained: bool = True
    checkpoint: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.sizes) != 1:
            raise ValueError(f"an ancestor is one size, found {len(self.sizes)}")
        return self


class Convert(Strict):
    """What is changed in the weights of an ancestor from elsewhere; the accuracy stated is of what results.

    Folding leaves the function as it is; the others change it.
    """

    class_token: Literal["drop"] | None = Field(default=None, description="leave it out, and its position")
    global_pool: Literal["avg"] | None = Field(default=None, description="the final norm and head read the mean patch")
    positions: Literal["interpolate"] | None = Field(default=None, description="to the images' grid of patches")
    layer_scale: Literal["fold"] | None = Field(default=None, description="into the layers that it multiplies")
    normalisation: Literal["fold"] | None = Field(
        default=None, description="from that of its own training images to the data set's, in the patch embedding"
    )


SHORT = ("timm", "pretrained", "checkpoint", "num_heads")


def _model_or_short(schema: dict[str, Any]) -> None:
    del schema["required"]
    schema["anyOf"] = [{"required": [key]} for key in ("model", "timm", "checkpoint")]


class Ancestor(Strict):
    """What is said of weights from elsewhere may stand without `model`: `{timm: NAME}` is `{model: {timm: NAME}}`."""

    model_config = ConfigDict(json_schema_extra=_model_or_short)

    timm: str | None = Field(default=None, description="a model of timm with its pretrained weights")
    pretrained: bool = Field(default=True, description="timm: false takes its architecture alone")
    checkpoint: str | None = Field(default=None, description="a file of weights")
    num_heads: Count | None = Field(default=None, description="checkpoint: its heads, which the file does not tell")
    model: AncestorModel
    convert: Convert = Field(default_factory=Convert)
    classes: Literal["same", "other"] | None = Field(
        default=None,
        description="same: its head has the data set's classes in the data set's order, though names differ; "
        "other: it has other classes, and a fresh head takes its place",
    )
    train: Train = Field(default_factory=Changes)
    dataset: Dataset | None = None
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="tells apart ancestors that are made alike")
    start: str | None = Field(default=None, description="the ancestor whose weights its training begins with")

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value.keys() & set(SHORT):
            return value
        short = {key: value[key] for key in SHORT if key in value}
        if "model" in value:
            keys = ", ".join(short)
            raise ValueError(f"model and {keys} are both there; expected one: {{{keys}: ...}} is short for a model")
        return {key: entry for key, entry in value.items() if key not in SHORT} | {"model": short}


def _by_name(value: Any) -> Any:
    """A single ancestor is named `ancestor`."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f"expected a mapping with the key 'model', found {shown(value)}")
    whole = value.keys() & (Ancestor.model_fields.keys() - set(SHORT))
    named = not whole and any(isinstance(entry, dict) for entry in value.values())
    return value if named else {"ancestor": value}


AncestorName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.+-]+$"),
    worded(lambda name: f"{name!r} is no name; expected letters, digits, _ . + and -"),
]
_Named = dict[AncestorName, Annotated[Ancestor, mapping("a mapping with the key 'model'")]]
Ancestors = Annotated[_Named, BeforeValidator(_by_name, json_schema_input_type=Ancestor | _Named)]


class MethodKeys(Strict):
    """The reserved keys of a method; all others are its options."""

    use: Annotated[str, Field(max_length=200)] | None = None
    train: Train = Field(default_factory=Changes)
    runs: Train = Field(default_factory=Changes, description="changes to the recipe of this method's runs")
    ancestor: str | list[str] | None = None
    seeds: Seeds | None = None
    condense_on: Dataset | None = Field(
        default=None, description="the data set that its learngene is made on; default: its ancestor's"
    )
    learngene: str | None = Field(
        default=None, description="a file that holds its learngene, which is then not condensed; known by its content"
    )
    control: str = Field(default="", description="what this label controls for, where it is no method to compare")


class Checkpoint(Strict):
    """How often a job saves where it is. Not part of any identity."""

    seconds: Annotated[float, Field(gt=0)] = 30.0


_Target = Annotated[Target, mapping("a mapping such as {embed_dim: 64, depth: [2, 4]}")]
_Family = Annotated[FamilyOfTests, mapping("a mapping such as {among: [sws, wave], margin: 1}")]
_Options = Annotated[dict[str, Any] | None, mapping("a mapping of options", NoneType)]


class SuiteFile(Strict):
    """The top level of a suite file."""

    name: Name
    dataset: Datasets
    ancestor: Ancestors | None = None
    teacher: str | None = None
    targets: Annotated[list[_Target], Field(min_length=1)]
    methods: Annotated[dict[Label, _Options], Field(min_length=1)]
    train: Train = Field(default_factory=Changes, description="recipe of the runs")
    tune: Tune | None = None
    families: Annotated[dict[FamilyName, _Family], Field(min_length=1)] | None = Field(
        default=None,
        description="families of tests, declared before the runs; without it: methods against each control, and among "
        "themselves",
    )
    budget: Literal["epochs", "total"] = Field(
        default="epochs",
        description="equal epochs for all, or a method's own stages are paid out of its runs' epochs, by FLOPs",
    )
    seeds: Seeds = [0]
    replicate: Literal["run", "all"] = "run"
    threads: Count = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint: Checkpoint = Field(default_factory=Checkpoint)
    keep_weights: KeptWeights = Field(
        default="none", description="which weights of runs stay: their start, their end; true is end"
    )
    prepared: str | None = Field(
        default=None, description="a folder of bench prepare: data sets of image files are read from there"
    )
    launcher: Literal["local", "inline", "slurm"] = "local"
    jobs: Count | None = None
    gpus_per_run: Annotated[int, Field(ge=1, le=65536)] = Field(
        default=1,
        description="devices that a job trains on at once; the batch stays what the recipe says and is shared by them",
    )
    slurm: Slurm | None = None
