"""Weight selection: the target's weights are a choice of the ancestor's, tensor by tensor."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.depth_maps import blocks
from methods.parts.reindex import Map, head_major, thirds, uniform
from methods.parts.roles import block_of, roles
from methods.parts.weights import check_choices, generator, named_as_in
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


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
    grow: ClassVar[bool] = False  # depth and width by repetition: for controls alone, see `Scrambled`

    def __post_init__(self) -> None:
        check_choices(self)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        sizes = ["embed_dim", "depth", "hidden_dim", "patch_size", "in_chans", "tokens"]
        for name in [*sizes, *(["num_heads", "head_dim"] if self.heads == "whole" else [])]:
            have, want = getattr(ancestor, name), getattr(target, name)
            if want > have and not (self.grow and name in ("embed_dim", "depth", "hidden_dim", "num_heads")):
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
        for name, tensor in target.state_dict().items():
            if name not in fresh:
                source = named_as_in(choice.source(name), learngene.tensors)
                chosen[name] = choice.select(name, learngene.tensors[source], tensor.shape)
        fill(target, chosen, fresh)


class Choice:
    """Which indices of the ancestor's dimensions a target of that size takes."""

    def __init__(self, options: WeightSelection, ancestor: VitSpec, target: VitSpec, lab: Lab | None) -> None:
        self.options, self.ancestor, self.target, self.lab = options, ancestor, target, lab
        deeper = target.depth > ancestor.depth
        self.sources = blocks("interleave" if deeper else options.layers, ancestor.depth, target.depth)
        self.drawn = cache(self._drawn)  # a set is drawn once, whatever the lab's generators remember

    def source(self, name: str) -> str:
        """The ancestor's name of the target's tensor `name`: only the number of the block may differ."""
        block, key = block_of(name)
        return key if block is None else f"blocks.{self.sources[block]}.{key}"

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

        if n_to > n_from:
            return torch.arange(n_to) * n_from // n_to
        flat = self.options.heads == "flat"
        if role == "qkv" and not (flat and self.options.rule == "uniform"):
            channels = self.index("attention", n_from // 3, n_to // 3, name)
            return thirds(channels, channels, channels, n_from // 3)
        if role == "attention" and not flat:
            heads = self.index("heads", self.ancestor.num_heads, self.target.num_heads, name)
            within = self.index("head channels", self.ancestor.head_dim, self.target.head_dim, name)
            return head_major(Map(heads), Map(within), self.ancestor.head_dim).index
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
