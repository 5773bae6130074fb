"""Elastic supernets: one net is trained so that its first channels, heads, units and blocks are nets of their own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, Loss, LossFunction, fill
from methods.parts.reindex import cannot_grow
from methods.parts.sizes import SIZE, largest, other_than_size, shapes_of, size_of
from methods.parts.weights import check_choices, fresh_vit, named_as_in
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from methods.parts.elastic import ElasticVit


@dataclass
class Supernet(Initializer):
    """One large net is trained by sampling its smaller sizes, its prefixes; targets are cut out of it.

    A smaller size has the first channels of the stream, heads (q, k, v apart), hidden units and blocks. Before each
    step one of `sizes` is drawn, all alike, and it alone is trained in that step.

    start:    ancestor: the net starts as the ancestor (its prefix, where the largest size is smaller); fresh: by timm's
              initialisation; it may then be larger than the ancestor, and without kl needs none.
    sort:     none; l1: the ancestor's hidden units, heads and channels are put in order first, the heaviest first:
              units by the sum of |w| over their column of fc2, the others by the mean of such sums over all that they
              share.
    kl, ce, temperature: the loss is kl * temperature^2 * KL(teacher || sub-network) + ce * cross entropy, both averaged
              over the batch.
    per_step: how many sizes are drawn for a step, whose losses are added; sandwich: the largest, the smallest, and two
              drawn ones. More than one: without kl, and by plain cross entropy (no label smoothing).
    sizes:    those that are trained, each a mapping of embed_dim, depth, num_heads, mlp_ratio, the others being the
              ancestor's; default: the targets of the family. The largest in each is always one of them.
    head, train: whether the classifier transfers, on its first inputs; recipe of the net. It is not compiled, and
              trained without stochastic depth.

    AutoFormer is {start: fresh}; OFA {sort: l1, kl: 1, ce: 1}; MatFormer {start: fresh, sizes: [{mlp_ratio: 0.5},
    {mlp_ratio: 1}, {mlp_ratio: 2}, {mlp_ratio: 4}]}. Stored: the net. A target no larger than the net but outside
    `sizes` is cut all the same, with a warning.

    Source: Chen et al., AutoFormer, ICCV 2021 (arXiv 2107.00651); Cai et al., Once-for-All, ICLR 2020 (arXiv
    1908.09791); Devvrit et al., MatFormer, NeurIPS 2024 (arXiv 2310.07707); and their released code, by notes on it.
    Verified: prefixes entry by entry; a target computes what the net's own sub-network computes (1e-9 in float64); with
    no training an equal size is the ancestor bit for bit; uniform draws; stored numbers for DeiT-Ti/S/B.
    Assumed: OFA orders convolution channels by what reads them; heads and the stream by the same idea are ours, as is
    the sandwich here. The teacher is the ancestor, in evaluation mode (OFA's is left in training mode).
    Declared differences: AutoFormer's code keeps q, k, v interleaved in the rows of a layer but its bias as a prefix;
    here both are thirds. Left out: OFA's progressive shrinking, AutoFormer's search and its sizes that differ from
    block to block, relative positions.
    """

    start: Literal["ancestor", "fresh"] = "ancestor"
    sort: Literal["none", "l1"] = "none"
    kl: float = 0.0
    ce: float = 1.0
    temperature: float = 1.0
    per_step: int | Literal["sandwich"] = 1
    sizes: list[dict[str, int | float]] | None = None

    ancestors: ClassVar[int | Literal["many"]] = 1  # but none where nothing of it is used, see below
    uses: ClassVar[tuple[str, ...]] = ("images", "labels")

    def __post_init__(self) -> None:
        check_choices(self)
        if self.kl < 0 or self.ce < 0 or self.temperature <= 0:
            weights = f"{self.kl}, {self.ce}, {self.temperature}"
            raise ValueError(f"kl and ce must not be negative, temperature must be above 0; found {weights}")
        if self.kl == 0 and self.ce != 1:
            raise ValueError(f"ce is a weight beside kl; without kl it is 1, found {self.ce}")
        if self.per_step != "sandwich" and (isinstance(self.per_step, str) or self.per_step < 1):
            raise ValueError(f"per_step must be a number of at least 1, or sandwich; found {self.per_step!r}")
        if self.per_step != 1 and self.kl:
            raise ValueError("several sizes per step are trained without kl: set kl: 0 or per_step: 1")
        if self.sort == "l1" and self.start == "fresh":
            raise ValueError("sort orders the ancestor's units: it needs start: ancestor")
        for size in self.sizes or []:
            if unknown := set(size) - set(SIZE):
                raise ValueError(f"sizes have the keys {', '.join(SIZE)}; found {', '.join(sorted(unknown))}")
        if self.sizes == []:
            raise ValueError("sizes must not be empty")
        if "distill" in self.train:
            raise ValueError("train.distill is derived: set kl, ce and temperature instead")
        vars(self)["ancestors"] = int(self.start == "ancestor" or self.kl > 0)

    def supports(self, ancestor: VitSpec | None, target: VitSpec) -> str | None:
        if ancestor is not None:
            reason = cannot_grow(ancestor, target) if self.start == "ancestor" else other_than_size(ancestor, target)
            if reason:
                return reason
        if self.sizes is None:
            return None
        base = ancestor or target
        return cannot_grow(base.replace(**largest(self.specs(base))), target)

    def check(self, ancestor: VitSpec | None, target: VitSpec) -> None:
        if ancestor is not None and self.start == "ancestor" and self.sizes is not None:
            for spec in self.specs(ancestor):
                if reason := cannot_grow(ancestor, spec):
                    raise ValueError(f"sizes: {reason}")

    def family(self, target: VitSpec) -> Hashable:
        """Without an ancestor all that sizes do not say; with one it is the ancestor's."""
        if self.ancestors:
            return None
        rest = {name: value for name, value in asdict(target).items() if name not in SIZE}
        return tuple(sorted((rest | {"head_dim": target.head_dim}).items()))

    def resolve(self, ancestor: VitSpec | None, targets: Sequence[VitSpec]) -> Supernet:
        base = ancestor or targets[0]
        specs = list(targets) if self.sizes is None else self.specs(base)
        specs.append(base.replace(**largest(specs)))
        distinct = {measures(spec): spec for spec in reversed(specs)}
        return replace(self, sizes=[size_of(distinct[key]) for key in sorted(distinct)])

    def specs(self, base: VitSpec) -> list[VitSpec]:
        """The sizes; what they leave open is that of `base`."""
        specs = []
        for size in self.sizes or []:
            changes: dict[str, Any] = dict(size)
            if "embed_dim" in changes and "num_heads" not in changes:
                changes["num_heads"] = max(1, changes["embed_dim"] // base.head_dim)
            specs.append(base.replace(**changes))
        return specs

    def condense(self, ancestor: nn.Module | None, lab: Lab | None) -> Learngene:
        from methods.parts.elastic import ElasticVit

        if lab is None:
            raise ValueError("supernet trains a net: condense needs a lab")
        spec = None if ancestor is None else spec_of(ancestor)
        how, base = self.resolve(spec, lab.targets), spec or lab.targets[0]
        specs = how.specs(base)
        size = base.replace(**largest(specs))
        net = fresh_vit(size, lab.generator("net"))
        if how.start == "ancestor":
            assert ancestor is not None
            state = how.first_weights(ancestor, size)
            net = net.to(state["pos_embed"].dtype)
            net.load_state_dict(state)
        model = ElasticVit(net, size, specs).to(lab.device)
        how.fit(model, lab)
        tensors = {name: t.detach().cpu().clone() for name, t in model.net.state_dict().items()}
        tensors = {name: t for name, t in tensors.items() if self.head == "transfer" or name not in HEAD}
        return Learngene(tensors, {"net": asdict(size), "sizes": how.sizes, "classes": lab.classes})

    def first_weights(self, ancestor: nn.Module, size: VitSpec) -> dict[str, Tensor]:
        """The ancestor's prefix of that size, in order of weight where that is wished."""
        from methods.parts.elastic import in_order_of_weight, prefix

        state = {name: t.detach() for name, t in ancestor.state_dict().items()}
        if self.sort == "l1":
            state = in_order_of_weight(state, spec_of(ancestor))
        return prefix(state, shapes_of(size))

    def fit(self, model: ElasticVit, lab: Lab) -> None:
        """Train the net, one or several of its sizes in each step."""
        recipe: dict[str, Any] = {**self.train, "compile": False}
        if self.kl:
            recipe["distill"] = {"kl": self.kl, "ce": self.ce, "temperature": self.temperature}
        loss: Loss | LossFunction = "kd" if self.kl else "ce" if self.per_step == 1 else added_losses
        draw = Draw(model, self.per_step)
        lab.fit(model, name="supernet", recipe=recipe, loss=loss, before_step=draw)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        from methods.parts.elastic import prefix

        net, spec = VitSpec(**learngene.meta["net"]), spec_of(target)
        if reason := cannot_grow(net, spec):
            raise ValueError(f"supernet {reason}")
        trained = [net.replace(**size) for size in learngene.meta["sizes"]]
        if not any(
            (s.embed_dim, s.depth, s.hidden_dim) == (spec.embed_dim, spec.depth, spec.hidden_dim) for s in trained
        ):
            warnings.warn(f"supernet: no size that was trained is that of the target {spec}; it is cut", stacklevel=2)
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        names = {named_as_in(n, learngene.tensors): s for n, s in shapes_of(spec).items() if n not in fresh}
        state = prefix(learngene.tensors, names)
        fill(target, {n: state[named_as_in(n, state)] for n in target.state_dict() if n not in fresh}, fresh)


def measures(spec: VitSpec) -> tuple[int, int, int, int]:
    """What tells sizes apart; equal hidden widths may come from ratios that were rounded."""
    return spec.embed_dim, spec.depth, spec.num_heads, spec.hidden_dim


@dataclass
class Draw:
    """Chooses the sizes of a step."""

    model: ElasticVit
    per_step: int | Literal["sandwich"]

    def __call__(self, step: int, generator: torch.Generator) -> tuple[int, ...]:
        import torch

        sizes = self.model.sizes
        drawn = torch.randint(len(sizes), (2 if self.per_step == "sandwich" else self.per_step,), generator=generator)
        if self.per_step != "sandwich":
            return self.model.choose(drawn.tolist())
        params = [sum(math.prod(shape) for shape in shapes.values()) for shapes in self.model.shapes]
        return self.model.choose([params.index(max(params)), params.index(min(params)), *drawn.tolist()])


def added_losses(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The sum of the cross entropies of all sub-networks that were chosen."""
    import torch
    from torch.nn.functional import cross_entropy

    model: Any = module
    return torch.stack([cross_entropy(logits, labels) for logits in model.all_logits(images)]).sum()
