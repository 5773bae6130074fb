"""How a model is trained. Every field at its default stays out of identities, so new fields keep old results."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.data.settings import AugmentSettings

Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
# timm's, without those that need another package or a second derivative
Optimizer = Literal[
    "adamw", "sgd", "adabelief", "adadelta", "adafactor", "adafactorbv", "adagrad", "adam", "adamax", "adamp", "adan",
    "adanw", "adopt", "adoptw", "cadamw", "clion", "lamb", "lambw", "laprop", "larc", "lars", "lion", "madgrad",
    "madgradw", "mars", "momentum", "muon", "nadam", "nadamw", "nesterov", "novograd", "radam", "rmsprop", "rmsproptf",
    "sgdp", "sgdw",
]  # fmt: skip


class Distill(BaseModel):
    """Soft distillation: ce * CE + kl * T^2 * KL(teacher || student), both means over the batch."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    kl: NonNegative = 1.0
    ce: NonNegative = 0.0
    temperature: Annotated[float, Field(gt=0)] = 1.0


class RecipeFields(BaseModel):
    """The settings of a training recipe. `steps`, when given, replaces `epochs`; `epochs: 0` evaluates only."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    epochs: Annotated[int, Field(ge=0)] = 10
    steps: Annotated[int, Field(ge=0)] | None = None
    batch_size: Positive = 128
    accumulate: Positive = Field(default=1, description="parts that a batch is computed in, one after the other")
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    lr_batch: Positive | None = Field(default=None, description="batch size that lr is for: lr * batch_size / lr_batch")
    min_lr: NonNegative = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: NonNegative = 0.0
    warmup_steps: Annotated[int, Field(ge=0)] | None = Field(default=None, description="instead of warmup_epochs")
    warmup_lr: NonNegative = 1e-6
    optimizer: Optimizer = "adamw"
    weight_decay: NonNegative = 0.05
    betas: Annotated[tuple[Fraction, Fraction], Field(strict=False)] | None = None
    eps: Annotated[float, Field(gt=0)] | None = None
    momentum: Fraction = 0.9
    clip_grad: Annotated[float, Field(gt=0)] | None = None
    label_smoothing: Fraction = 0.0
    mixup: NonNegative = 0.0
    cutmix: NonNegative = 0.0
    mixup_prob: Annotated[float, Field(ge=0, le=1)] = 1.0
    mixup_switch_prob: Annotated[float, Field(ge=0, le=1)] = 0.5
    drop_path: Fraction = 0.0
    ema: Fraction | None = Field(default=None, description="decay of an average of the weights, after every step")
    ema_eval: bool = Field(default=True, description="evaluate and keep the average; else it is only maintained")
    repeats: Positive = Field(default=1, description="differently augmented draws of an image in an epoch, in a row")
    augment: AugmentSettings = AugmentSettings()
    distill: Distill | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    eval_every: Positive = Field(default=1, description="epochs between evaluations; the start and the end have theirs")
    looks: Annotated[tuple[Positive, ...], Field(strict=False)] | None = Field(
        default=None,
        description="steps to evaluate at, beside start and end, instead of every `eval_every` epochs",
    )


class Recipe(RecipeFields):
    """A training recipe whose settings go together."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate {self.accumulate} is more than batch_size {self.batch_size}")
        if (self.mixup or self.cutmix) and self.batch_size % 2:
            raise ValueError(f"mixup and cutmix mix pairs of images: batch_size {self.batch_size} must be even")
        return self

    @property
    def trains(self) -> bool:
        """Whether it does more than evaluate."""
        return (self.epochs if self.steps is None else self.steps) > 0

    def total_steps(self, per_epoch: int) -> int:
        """Its steps, where an epoch has `per_epoch`."""
        return self.epochs * per_epoch if self.steps is None else self.steps

    def steps_of_warmup(self, per_epoch: int) -> int:
        """Those of its warm-up, which may be more than there are."""
        return round(self.warmup_epochs * per_epoch) if self.warmup_steps is None else self.warmup_steps

    @property
    def peak_lr(self) -> float:
        """The learning rate after warm-up."""
        return self.lr if self.lr_batch is None else self.lr * self.batch_size / self.lr_batch

    def merged(self, changes: dict[str, Any]) -> "Recipe":
        """This recipe with `changes` (nested mappings merge) applied and validated anew."""
        return Recipe.model_validate(merge(self.model_dump(exclude_defaults=True), changes))


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` over it; mappings merge, everything else replaces."""
    out = dict(base)
    for key, value in changes.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out
