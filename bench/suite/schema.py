"""The shape of a suite file. What depends on several keys at once is checked in `load`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench.suite.slurm import Slurm


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Count = Annotated[int, Field(ge=1, le=1_000_000)]
Layers = Annotated[int, Field(ge=1, le=1000)]
IntAxis = Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)]
DepthAxis = Annotated[list[Layers], BeforeValidator(as_list), Field(min_length=1)]
FloatAxis = Annotated[list[Annotated[float, Field(gt=0, le=1000)]], BeforeValidator(as_list), Field(min_length=1)]
NameAxis = Annotated[list[str], BeforeValidator(as_list), Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$", max_length=100)]  # in tables and file names


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Target(ModelSize):
    ancestor: str | None = None


class AncestorModel(ModelSize):
    """A size to train, a timm model with its pretrained weights, or a checkpoint file of either."""

    timm: str | None = None
    pretrained: bool = True
    checkpoint: str | None = None


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


class Ancestor(Strict):
    model: AncestorModel
    convert: Convert = Convert()
    classes: Literal["same"] | None = Field(
        default=None, description="its head has the data set's classes in the data set's order, though names differ"
    )
    train: dict[str, Any] = {}
    dataset: Any = None


class MethodKeys(Strict):
    """The reserved keys of a method; all others are its options."""

    use: str | None = None
    train: dict[str, Any] = {}
    runs: dict[str, Any] = Field(default={}, description="changes to the recipe of this method's runs")
    ancestor: str | list[str] | None = None
    seeds: Any = None
    control: str = Field(default="", description="what this label controls for, where it is no method to compare")


class Tune(Strict):
    """Settings of the runs chosen per method by validation top-1, with the same candidates for all methods.

    Every candidate is one run per target, at a seed that no reported run has.
    """

    lr: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2)]
    seed: Annotated[int, Field(ge=0)] = 1000


class Checkpoint(Strict):
    """How often a job saves where it is. Not part of any identity."""

    seconds: Annotated[float, Field(gt=0)] = 30.0


class SuiteFile(Strict):
    """The top level of a suite file."""

    name: Name
    dataset: Any
    ancestor: Any = None
    teacher: str | None = None
    targets: Annotated[list[Any], Field(min_length=1)]
    methods: Annotated[dict[Label, Any], Field(min_length=1)]
    train: Any = Field(default={}, description="recipe of the runs")
    tune: Tune | None = None
    budget: Literal["epochs", "total"] = Field(
        default="epochs",
        description="equal epochs for all, or a method's own stages are paid out of its runs' epochs, by FLOPs",
    )
    seeds: Any = 1
    replicate: Literal["run", "all"] = "run"
    threads: Count = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint: Checkpoint = Checkpoint()
    keep_weights: bool = False
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
