"""How large the work is: REAL for a GPU, TINY for the tests, which run all of it on the CPU."""

from dataclasses import dataclass
from pathlib import Path

from bench import models
from bench.models import PRESETS
from methods.vit import VitSpec


@dataclass(frozen=True)
class Packing:
    """Runs of a small model on one device, `jobs` at once, `each` by every worker; model: as a suite says it."""

    name: str
    model: str
    jobs: int
    each: int
    mps: bool = False


@dataclass(frozen=True)
class Size:
    """matrix: edge of the products. models: DeiT's sizes, in the order that they are measured in; batch, steps and
    precision of their trainings, and whether they are compiled. originals, copies: images of the shards, and how often
    each is in them. step, launched, stacked: a small model, how many of its steps are timed, and of how many such at
    once. packings: of runs of `epochs`. preempted: epochs of the run that is ended. suite: the words of each command on
    the digits suite. train_py: timm's, where it was given.
    """

    matrix: int
    models: dict[str, VitSpec]
    batch: int
    steps: int
    precision: str
    compiled: tuple[bool, ...]
    originals: int
    copies: int
    step: VitSpec
    launched: int
    stacked: int
    packings: tuple[Packing, ...]
    epochs: int
    preempted: int
    suite: tuple[tuple[str, ...], ...]
    train_py: Path | None = None

    @property
    def smallest(self) -> tuple[str, VitSpec]:
        return min(self.models.items(), key=lambda model: models.params(model[1]))

    @property
    def largest(self) -> tuple[str, VitSpec]:
        return max(self.models.items(), key=lambda model: models.params(model[1]))


DIGITS = "{embed_dim: 64, depth: 4, num_heads: 2, patch_size: 2}"
TOKENS = "{embed_dim: 192, depth: 6, num_heads: 3, patch_size: 1}"
SMALL = "{embed_dim: 16, depth: 1, num_heads: 1, patch_size: 4}"

REAL = Size(
    matrix=8192,
    models={name: VitSpec(**PRESETS[name]) for name in ("deit_tiny", "deit_base", "deit_small")},
    batch=256,
    steps=40,
    precision="bf16",
    compiled=(False, True),
    originals=1024,
    copies=16,
    step=VitSpec(64, 4, 2, patch_size=2, img_size=8, in_chans=1, num_classes=10),
    launched=300,
    stacked=8,
    packings=tuple(
        Packing(name, model, jobs=jobs, each=3, mps=mps)
        for name, model in (("digits", DIGITS), ("64 tokens, as CIFAR in patches of 4", TOKENS))
        for jobs, mps in ((1, False), (8, False), (8, True))
    ),
    epochs=5,
    preempted=20,
    suite=(
        ("--jobs", "4", "--only", "random-L4-*", "--only", "weight_selection-L4-*"),
        ("--jobs", "4", "--only", "wave-L4-*", "--only", "sws-L4-*", "--only", "mixture_growth-L4-*"),
    ),
)
TINY = Size(
    matrix=64,
    models={"tiny": VitSpec(16, 1, 1, patch_size=16, img_size=32, num_classes=10)},
    batch=4,
    steps=2,
    precision="fp32",
    compiled=(False,),
    originals=8,
    copies=2,
    step=VitSpec(16, 1, 1, patch_size=4, img_size=8, in_chans=1, num_classes=10),
    launched=2,
    stacked=2,
    packings=tuple(Packing("tiny", SMALL, jobs, each=1, mps=mps) for jobs, mps in ((1, False), (2, False), (2, True))),
    epochs=1,
    preempted=6,
    suite=(("--set", "train.epochs=1", "--set", "seeds=1", "--jobs", "1", "--only", "random-L2-*"),),
)
