"""How large the work is: REAL for a GPU, TINY for the tests, which run all of it on the CPU."""

from dataclasses import dataclass

from bench import models
from bench.models import PRESETS
from methods.vit import VitSpec


@dataclass(frozen=True)
class Packing:
    """Runs of a small model on one device, `jobs` at once; model: as a suite says it."""

    name: str
    model: str
    jobs: int
    runs: int
    mps: bool = False


@dataclass(frozen=True)
class Size:
    """matrix: edge of the products. models: DeiT's sizes, the largest first, as it carries a target; batch, steps and
    precision of their trainings, and whether they are compiled. originals, copies: images of the shards, and how often
    each is in them. step, launched: a small model and how many of its steps are timed. packings: of runs of `epochs`.
    preempted: epochs of the run that is ended. suite: the words of each command on the digits suite.
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
    packings: tuple[Packing, ...]
    epochs: int
    preempted: int
    suite: tuple[tuple[str, ...], ...]

    @property
    def smallest(self) -> tuple[str, VitSpec]:
        return min(self.models.items(), key=lambda model: models.params(model[1]))


DIGITS = "{embed_dim: 64, depth: 4, num_heads: 2, patch_size: 2}"
TOKENS = "{embed_dim: 192, depth: 6, num_heads: 3, patch_size: 1}"
SMALL = "{embed_dim: 16, depth: 1, num_heads: 1, patch_size: 4}"

REAL = Size(
    matrix=8192,
    models={name: VitSpec(**PRESETS[name]) for name in ("deit_base", "deit_small", "deit_tiny")},
    batch=256,
    steps=40,
    precision="bf16",
    compiled=(False, True),
    originals=1024,
    copies=16,
    step=VitSpec(64, 4, 2, patch_size=2, img_size=8, in_chans=1, num_classes=10),
    launched=300,
    packings=(
        Packing("digits", DIGITS, jobs=1, runs=4),
        Packing("digits", DIGITS, jobs=8, runs=16),
        Packing("digits", DIGITS, jobs=8, runs=16, mps=True),
        Packing("64 tokens, as CIFAR in patches of 4", TOKENS, jobs=1, runs=4),
        Packing("64 tokens, as CIFAR in patches of 4", TOKENS, jobs=8, runs=16),
    ),
    epochs=5,
    preempted=20,
    suite=(
        ("--jobs", "4", "--only", "random-L4-*", "--only", "weight_selection-L4-*"),
        ("--jobs", "4", "--only", "wave-L4-*"),
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
    packings=tuple(Packing("tiny", SMALL, jobs, runs=2, mps=mps) for jobs, mps in ((1, False), (2, False), (2, True))),
    epochs=1,
    preempted=6,
    suite=(("--set", "train.epochs=1", "--set", "seeds=1", "--jobs", "1", "--only", "random-L2-*"),),
)
