"""Weight selection: the target's weights are a choice of the ancestor's, tensor by tensor."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.weights import check_choices, generator, named_as_in
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# What each dimension of each tensor of a plain timm ViT runs over ("" is never selected from). Dimensions of one role
# meet in the computation, so they have to be selected alike for the target to compute with matching channels.
_NORM: dict[str, tuple[str, ...]] = {"weight": ("stream",), "bias": ("stream",)}
_MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "patch_embed.proj": {"weight": ("stream", "channels", "pixels", "pixels"), "bias": ("stream",)},
    "norm1": _NORM,
    "attn.qkv": {"weight": ("qkv", "stream"), "bias": ("qkv",)},
    "attn.proj": {"weight": ("stream", "attention"), "bias": ("stream",)},
    "norm2": _NORM,
    "mlp.fc1": {"weight": ("hidden", "stream"), "bias": ("hidden",)},
    "mlp.fc2": {"weight": ("stream", "hidden"), "bias": ("stream",)},
    "norm": _NORM,
    "fc_norm": _NORM,
    "head": {"weight": ("", "stream"), "bias": ("",)},
}
ROLES = {f"{module}.{kind}": dims for module, kinds in _MODULES.items() for kind, dims in kinds.items()}
ROLES |= {"cls_token": ("", "", "stream"), "pos_embed": ("", "tokens", "stream")}


def roles(name: str) -> tuple[str, ...]:
    """The role of each dimension of the tensor `name`. Raises ValueError for one that a plain ViT does not have."""
    try:
        return ROLES[re.sub(r"^blocks\.\d+\.", "", name)]
    except KeyError:
        raise ValueError(f"weight_selection does not know the tensor {name!r} of the ancestor") from None


def uniform(n_from: int, n_to: int) -> Tensor:
    """`n_to` of `n_from` indices, evenly spaced: a stride where it divides, else torch's linspace, rounded.

    In float32, whose rounding decides ties such as 48 -> 23: integer arithmetic gives other indices there.
    """
    import torch

    if n_from % n_to == 0:
        return torch.arange(0, n_from, n_from // n_to)
    return torch.linspace(0, n_from - 1, n_to, dtype=torch.float32).round().long()


@dataclass
class WeightSelection(Initializer):
    """Every tensor of the target is a sub-tensor of the ancestor's. No training; cannot grow anything.

    rule:       which indices of a dimension are taken: uniform (evenly spaced), consecutive (the first), or random
                (sorted, from the lab's generator; without a lab from a fixed seed).
    consistent: random only: true takes one index set per role (residual stream, attention channels or heads, hidden
                units, ...) and pair of widths for all tensors; false a fresh one per tensor, the control.
    heads:      flat takes attention channels without regard to heads; whole takes heads first and then channels
                within heads, the same in q, k, v and the projection.
    layers:     first takes block i from block i; spaced spreads the target's blocks by the uniform rule.
    head:       fresh by default, as in the reference; transfer selects the head on its inputs.

    Stored: all of the ancestor but its head (with it where `head: transfer`); the choice is made per target.

    Source: Xu et al., Initializing Models with Larger Ones, ICLR 2024 (arXiv 2311.18823), and its released code.
    Verified: with the defaults each tensor equals, bit for bit, the rule read in the released code and written down a
    second time in the tests: per dimension a stride where it divides, else torch's float32 linspace and round; block i
    from block i; every key with `head` left out; the fused qkv taken as one dimension (so for some widths that do not
    divide, q, k and v rows come from different channels).
    Assumed: the code has the uniform rule only. The paper's other rules are known second-hand, so these are ours:
    consecutive and random treat q, k and v apart (the first rows of the fused tensor would be q alone); spaced layers
    use the uniform rule; whole heads; random keeps the class token's position first. Patch pixels, input channels and
    positions are dimensions like any other: fewer positions are subsampled, not interpolated.
    """

    rule: Literal["uniform", "consecutive", "random"] = "uniform"
    consistent: bool = True
    heads: Literal["flat", "whole"] = "flat"
    layers: Literal["first", "spaced"] = "first"
    head: Literal["transfer", "fresh"] = field(default="fresh", kw_only=True)
    trains: ClassVar[bool] = False
    at_start: ClassVar[tuple[str, ...]] = ("rule", "consistent", "heads", "layers")

    def __post_init__(self) -> None:
        check_choices(self)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        sizes = ["embed_dim", "depth", "hidden_dim", "patch_size", "in_chans", "tokens"]
        for name in [*sizes, *(["num_heads", "head_dim"] if self.heads == "whole" else [])]:
            have, want = getattr(ancestor, name), getattr(target, name)
            if want > have:
                return f"cannot grow {name}: ancestor {have}, target {want}"
        return mismatch(ancestor, target, ("embed_dim", "num_heads", "mlp_ratio", "patch_size", "img_size", "in_chans"))

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        tensors = {name: t.detach().clone() for name, t in ancestor.state_dict().items() if roles(name)}
        if self.head == "fresh":
            tensors = {name: t for name, t in tensors.items() if name not in HEAD}
        return Learngene(tensors, {"ancestor": asdict(spec_of(ancestor)), "classes": lab.classes if lab else None})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"weight_selection {reason}")
        choice = Choice(self, ancestor, spec, lab)
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        chosen = {}
        for name, given in target.state_dict().items():
            if name not in fresh:
                source = named_as_in(choice.source(name), learngene.tensors)
                chosen[name] = choice.select(name, learngene.tensors[source], given.shape)
        fill(target, chosen, fresh)


class Choice:
    """Which indices of the ancestor's dimensions a target of that size takes."""

    def __init__(self, options: WeightSelection, ancestor: VitSpec, target: VitSpec, lab: Lab | None) -> None:
        self.options, self.ancestor, self.target, self.lab = options, ancestor, target, lab
        self.drawn = cache(self._drawn)  # a set is drawn once, whatever the lab's generators remember

    def source(self, name: str) -> str:
        """The ancestor's name of the target's tensor `name`: only the number of the block may differ."""
        if self.options.layers == "first" or not name.startswith("blocks."):
            return name
        blocks = uniform(self.ancestor.depth, self.target.depth).tolist()
        return re.sub(r"\d+", lambda number: str(blocks[int(number[0])]), name, count=1)

    def select(self, name: str, tensor: Tensor, shape: torch.Size) -> Tensor:
        """The part of shape `shape` that the target's tensor `name` takes of the ancestor's `tensor`."""
        for dim, role in enumerate(roles(name)):
            if role:
                index = self.index(role, tensor.shape[dim], shape[dim], name)
                tensor = tensor.index_select(dim, index.to(tensor.device))
        return tensor

    def index(self, role: str, n_from: int, n_to: int, name: str) -> Tensor:
        """Indices [n_to] into a dimension of that role and `n_from` entries."""
        import torch

        flat = self.options.heads == "flat"
        if role == "qkv" and not (flat and self.options.rule == "uniform"):
            channels = self.index("attention", n_from // 3, n_to // 3, name)
            return torch.cat([channels + part * (n_from // 3) for part in range(3)])
        if role == "attention" and not flat:
            heads = self.index("heads", self.ancestor.num_heads, self.target.num_heads, name)
            within = self.index("head channels", self.ancestor.head_dim, self.target.head_dim, name)
            return (heads[:, None] * self.ancestor.head_dim + within).flatten()
        if self.options.rule == "uniform":
            return uniform(n_from, n_to)
        if self.options.rule == "consecutive":
            return torch.arange(n_to)
        return self.drawn(role, n_from, n_to, "" if self.options.consistent else name)

    def _drawn(self, role: str, n_from: int, n_to: int, name: str) -> Tensor:
        import torch

        first = int(role == "tokens" and self.ancestor.class_token)
        draw = generator(self.lab, f"{role} {n_from} {n_to} {name}")
        some = first + torch.randperm(n_from - first, generator=draw)[: n_to - first].sort().values
        return torch.cat([torch.arange(first), some])
