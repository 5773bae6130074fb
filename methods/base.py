"""What an initializer is, what it stores, and what it may ask of the harness. Imports neither torch nor timm."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from methods.vit import VitSpec

# the `caution` of a method that its source leaves open
MOSTLY_DECLARED = "mostly declared: ours rather than the paper's, so that its results say nothing of that"
META_KEY = "learngene"  # the one safetensors metadata key; its value is JSON


@dataclass
class Learngene:
    """The compact artifact of a method: named tensors and JSON-able metadata.

    Tensors that belong to the classifier have names whose first part is `head` (`head.weight`, `head.templates`);
    they are counted apart.
    """

    tensors: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def is_head(name: str) -> bool:
        return name.split(".")[0] == "head"

    @property
    def stored_params(self) -> int:
        """Numbers stored, the head left out."""
        return sum(t.numel() for name, t in self.tensors.items() if not self.is_head(name))

    @property
    def stored_params_head(self) -> int:
        """Numbers stored for the head."""
        return sum(t.numel() for name, t in self.tensors.items() if self.is_head(name))

    @property
    def stored_bytes(self) -> int:
        """Bytes of all tensors, head included."""
        return sum(t.numel() * t.element_size() for t in self.tensors.values())

    def save(self, path: str | Path) -> None:
        """Write one safetensors file; shared or non-contiguous tensors are cloned."""
        from safetensors.torch import save_file

        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in self.tensors.items()}
        save_file(tensors, str(path), metadata={META_KEY: json.dumps(self.meta, sort_keys=True)})

    @classmethod
    def load(cls, path: str | Path) -> Learngene:
        """Read what `save` wrote, bit for bit. Raises ValueError for a file that is no learngene."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="pt") as file:
                meta = (file.metadata() or {}).get(META_KEY)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path}: not a readable safetensors file ({error})") from None
        if meta is None:
            raise ValueError(f"{path}: a safetensors file without the metadata key {META_KEY!r}; not a learngene")
        return cls(tensors, json.loads(meta))


Loss = Literal["ce", "kd"]
LossFunction = Callable[["nn.Module", "Tensor", "Tensor"], "Tensor"]  # (module, images, labels) -> scalar
BeforeStep = Callable[[int, "torch.Generator"], Hashable]  # (step, generator of that step) -> what was chosen


class Lab(Protocol):
    """What a method may ask of the harness. Whatever costs goes through it, and is charged."""

    classes: str | None  # identity of the ordered class list of the data set at hand; None: the head has others
    device: torch.device

    @property
    def targets(self) -> Sequence[VitSpec]:
        """The sizes that this learngene has to serve; see `resolve` and `sees_targets`."""

    def fit(
        self,
        module: nn.Module,
        *,
        name: str,
        recipe: Mapping[str, Any],
        loss: Loss | LossFunction = "ce",
        params: Iterable[nn.Parameter] | None = None,
        fraction: float = 1.0,
        at_least: int = 0,
        before_step: BeforeStep | None = None,
    ) -> object:
        """Train `module` in place by the one training loop; it is left in evaluation mode.

        recipe:   overrides of the recipe that the suite gives this method: `epochs` or `steps`, `lr`, `batch_size`,
                  `weight_decay`, ..., and for loss="kd" `distill: {kl, ce, temperature}`: the loss is
                  ce * CE + kl * T^2 * KL(teacher || student), both means over the batch.
        loss:     "ce" cross entropy on the labels, "kd" distillation from `teacher()`, or a function.
        params:   what is trained (default: every parameter of the module that requires a gradient).
        fraction: train on this stratified part of the training set, or on one of `at_least` images if that is more.
        before_step: chooses before each step which part of the module is trained in it, for example a sub-network: it
                  sets that in the module and returns a key for it, by which FLOPs are counted once each. The generator
                  is that of the step, so equal choices are made on every process and after a resume.
        name:     names this fit within its job; on resume a finished fit is restored by it, not redone.

        What it returns is the harness's own, nothing for a method.
        """

    def batches(self, n: int, *, name: str, labels: bool = False) -> Iterator[Any]:
        """Training images without augmentation, `n` in all: Tensors [B, C, H, W], or (images, labels)."""

    def accuracy(self, module: nn.Module) -> float:
        """Top-1 of `module` on the validation part, in percent; charged, images and labels included."""

    def teacher(self) -> nn.Module:
        """The frozen teacher. Used inside `initialize`, its parameters count as stored."""

    def meter(self, name: str) -> AbstractContextManager[None]:
        """Charges the computation inside: seconds, and FLOPs by torch's counter."""

    def generator(self, name: str) -> torch.Generator:
        """A CPU generator seeded by the job's seed and `name`: the only source of randomness for a method."""


@dataclass
class Initializer:
    """A way to give a target its starting weights. Subclass it as a dataclass: the fields are the options.

    head:  whether the classifier transfers, which it can only between equal ordered class lists.
    train: recipe of what the method trains for itself, over the suite's defaults: in condense where `trains`, in
           initialize where `trains_start`. It is part of the identity of what it trains, and of nothing else.
    """

    head: Literal["transfer", "fresh"] = field(default="transfer", kw_only=True)
    train: dict[str, Any] = field(default_factory=dict, kw_only=True)

    version: ClassVar[int] = 1  # raise it when the method's results change; see `version_of`
    ancestors: ClassVar[int | Literal["many"]] = 1  # 0: condense gets None; 1: a model; "many": a list
    trains: ClassVar[bool] = True  # False: condense never calls `lab.fit`, so no recipe is part of its identity
    trains_start: ClassVar[bool] = False  # initialize trains: a job of its own, with a recipe whatever `trains`
    uses: ClassVar[tuple[str, ...]] = ()  # beside its ancestors, at its defaults: of "images", "labels", "teacher"
    caution: ClassVar[str] = ""  # "a word or two: why", which tables say beside its results; see MOSTLY_DECLARED
    shares_tensors: ClassVar[bool] = False  # trains a module in which a tensor stands in several layers
    # of a method from outside this package, which the harness watches (docs/methods.md):
    files: ClassVar[Sequence[str]] = ()  # what it reads, beside its module: part of its identity, as its modules are
    sees_targets: ClassVar[bool] = False  # condense reads `lab.targets`: one learngene for each set of targets
    at_start: ClassVar[tuple[str, ...]] = ()  # options only `initialize` reads; `condense` sees them at their defaults
    recipes: ClassVar[tuple[str, ...]] = ()  # options that are recipes as `train` is, over that of what starts train

    def condense(self, ancestor: Any, lab: Lab | None) -> Learngene:
        """Make the learngene, once."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it condenses")

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        """Fill `target`, a timm model with timm's fresh initialisation, in place."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it initializes")

    # Below `ancestor` is the VitSpec of the ancestor, or None where `ancestors` is 0.

    def supports(self, ancestor: VitSpec | Any, target: VitSpec) -> str | None:
        """None, or why this size cannot be served (the run is then skipped with that reason)."""
        return None

    def check(self, ancestor: VitSpec | Any, target: VitSpec) -> None:
        """Raise ValueError for an option whose value is impossible with this target."""

    def family(self, target: VitSpec) -> Hashable:
        """What of a target the learngene depends on; one learngene is made per distinct value. JSON-able."""
        return None

    def start_steps(self) -> int | None:
        """Steps that `initialize` trains for, where `trains_start`, for estimates; None: as many as its recipe says."""
        return None

    def version_of(self, target: VitSpec | None) -> int:
        """The version of what these options, resolved, give for a target, or (None) of the learngene.

        That is `version`, or an earlier one for what no later one changed: its results stay good.
        """
        return self.version

    def resolve(self, ancestor: VitSpec | Any, targets: Sequence[VitSpec]) -> Self:
        """This initializer with every option that is derived from the family's targets filled in.

        The harness calls it before `condense`, so that what is derived is shown and is part of the identity. The list
        `lab.targets` is not, unless `sees_targets`: what a learngene takes from it has to be said here, or by `family`.
        """
        return self

    def head_transfers(self, learngene: Learngene, lab: Lab | None) -> bool:
        """Whether the head goes to the target: wished for, and the class lists are equal and known."""
        return self.head == "transfer" and lab is not None and learngene.meta.get("classes") == lab.classes


def fill(target: nn.Module, tensors: Mapping[str, Tensor], fresh: Iterable[str] = ()) -> None:
    """Copy `tensors` into the target's state; `fresh` names what deliberately keeps timm's initialisation.

    Every tensor of the target must be in exactly one of the two: raises ValueError naming those that are in neither,
    in both, or in no target at all, and those of another shape.
    """
    import torch

    state, fresh = target.state_dict(), set(fresh)
    problems = [f"{n}: neither given nor fresh" for n in state if n not in tensors and n not in fresh]
    problems += [f"{n}: given and fresh" for n in fresh if n in tensors]
    problems += [f"{n}: not in the target" for n in {*tensors, *fresh} if n not in state]
    problems += [
        f"{n}: shape {tuple(t.shape)} for {tuple(state[n].shape)}"
        for n, t in tensors.items()
        if n in state and t.shape != state[n].shape
    ]
    if problems:
        raise ValueError("cannot fill the target: " + "; ".join(sorted(problems)))
    with torch.no_grad():
        for name, tensor in tensors.items():
            state[name].copy_(tensor)


HEAD = ("head.weight", "head.bias")
