"""What a check is done on: an initializer between two small models, and where the target's tensors come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from methods.base import Initializer, Lab, Learngene
from methods.vit import VitSpec, build_vit

if TYPE_CHECKING:
    from torch import Tensor, nn

MakeLab = Callable[..., Lab]
SEED = 21  # of the target that several checks compare with


@dataclass
class Trial:
    """One initializer, the ancestors it gets and the target it fills; each job gets a lab of its own.

    A method that takes many ancestors gets two different ones; the first is the teacher.
    """

    initializer: Initializer
    ancestor_spec: VitSpec
    target_spec: VitSpec
    make_lab: MakeLab
    origins: dict[str, str] = field(default_factory=dict, init=False)  # of the target's tensors, see `origin`

    def __post_init__(self) -> None:
        seeds = {0: (1,), 1: (1,), "many": (1, 2)}[self.initializer.ancestors]
        self.ancestors = [perturbed(self.ancestor_spec, seed) for seed in seeds]
        self.teacher = perturbed(self.ancestor_spec, seeds[0]) if self.initializer.ancestors else None

    def lab(self, classes: str = "same", *more: VitSpec) -> Lab:
        return self.make_lab(targets=[self.target_spec, *more], teacher=self.teacher, classes=classes, seed=0)

    def condense(self, *more: VitSpec) -> Learngene:
        """`more`: further targets that the learngene has to serve."""
        ancestors = {0: None, 1: self.ancestors[0], "many": list(self.ancestors)}[self.initializer.ancestors]
        return self.initializer.condense(ancestors, self.lab("same", *more))

    @cached_property
    def learngene(self) -> Learngene:
        return self.condense()

    @cached_property
    def filled(self) -> tuple[State, State]:
        """`target` of the learngene and SEED, with which several checks compare."""
        return self.target(self.learngene, seed=SEED)

    def target(self, learngene: Learngene, *, seed: int, classes: str = "same") -> tuple[State, State]:
        """Weights of a target before and after; `seed` is that of its own draw and of torch's generator of the CPU.

        Those before are not copied for each target: nobody may write into them.
        """
        target, before = perturbed(self.target_spec, seed), _perturbed(self.target_spec, seed).weights
        self.initializer.initialize(target, learngene, self.lab(classes))
        return before, state(target)


State = dict[str, "Tensor"]


def state(model: nn.Module) -> State:
    return {name: t.clone() for name, t in model.state_dict().items()}


def wants_gradients(model: nn.Module) -> list[bool]:
    return [p.requires_grad for p in model.parameters()]


def perturbed(spec: VitSpec, seed: int) -> nn.Module:
    """A ViT in which no two numbers are equal by construction, so that one can tell where a number came from.

    timm's draw has norms of 1 and biases of 0, which would look alike in every model. Seeds the CPU's global generator.
    """
    import torch

    drawn_model = _perturbed(spec, seed)
    torch.default_generator.set_state(drawn_model.drawn)
    return twin(drawn_model.model)


class DrawnModel(NamedTuple):
    """A model, its weights, and the state of the CPU's global generator after it was drawn. Nobody changes any."""

    model: nn.Module
    weights: State
    drawn: Tensor


@lru_cache(maxsize=64)
def _perturbed(spec: VitSpec, seed: int) -> DrawnModel:
    """Checks ask for few, again and again."""
    import torch

    torch.default_generator.manual_seed(seed)  # torch.manual_seed, which looks for GPUs too, takes 0.7 ms
    model = build_vit(spec)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return DrawnModel(model, model.state_dict(), torch.default_generator.get_state())


def twin(model: nn.Module) -> nn.Module:
    """A copy with tensors and hooks of its own, which takes a fifth of the time of copy.deepcopy.

    No two of its modules may share a tensor, and what is no module, tensor or dictionary is shared with the copy.
    """
    import torch

    other = type(model).__new__(type(model))
    for key, value in vars(model).items():
        other.__dict__[key] = value.copy() if isinstance(value, dict) else value
    for name, p in model._parameters.items():
        if p is not None:
            other._parameters[name] = torch.nn.Parameter(p.detach().clone(), p.requires_grad)
    for name, buffer in model._buffers.items():
        if buffer is not None:
            other._buffers[name] = buffer.clone()
    for name, module in model._modules.items():
        if module is not None:
            other._modules[name] = twin(module)
    return other


def same(a: State, b: State) -> bool:
    """Equal bit for bit: names, types, shapes, values."""
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and a[n].equal(b[n]) for n in a)


def origin(drawn: tuple[State, State], other: tuple[State, State]) -> dict[str, str]:
    """Where each tensor of the target comes from, told from two targets (before, after) with different fresh draws.

    `given`: the same whatever the fresh draw; `fresh`: its own fresh draw, at most scaled by one number.
    Raises AssertionError for anything else: a tensor filled in part, or drawn from an unseeded source.
    """
    import torch

    def scaled(before: Tensor, after: Tensor) -> bool:
        factor = (before * after).sum() / (before * before).sum()
        return bool(factor != 0) and torch.allclose(after, factor * before)

    result = {}
    for name, after in drawn[1].items():
        if after.equal(other[1][name]):
            result[name] = "given"
        else:
            both = (drawn, other)
            fresh = all(scaled(pair[0][name], pair[1][name]) for pair in both)
            assert fresh, f"{name}: neither given by the method nor the target's own fresh initialisation"
            result[name] = "fresh"
    return result
