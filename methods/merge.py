"""Merging: several ancestors of one size become one network, from which any other method then starts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Initializer, Lab, Learngene
from methods.parts.observe import observe
from methods.parts.weights import check_choices, fresh_vit, generator
from methods.registry import get
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import nn

    from methods.parts.merge import State


@dataclass
class Merge(Initializer):
    """Several ancestors of one size become one network, from which another method (`then`) goes on.

    how:     soup: the mean of all weights, or their sum by `weights`; greedy: by accuracy on the validation part, the
             best first, each is kept if the mean's accuracy rises; stock: Model Stock, between the first ancestor and
             the mean of the others by the angles between what they learned; breadcrumbs: the first plus the
             differences without their largest and their small entries; emr: the first plus the elected differences
             of EMR; regmean: each linear layer as the least-squares fit of all on their own inputs; match: the others
             re-ordered to be most like the first (weight matching), then their mean.
    weights: soup only: a weight for each ancestor in order, with the sum 1; [1 - x, x] of two is WiSE-FT.
    scale:   breadcrumbs: multiplies the sum of the differences.
    drop:    breadcrumbs: share of each row that is left out, the largest.
    keep:    breadcrumbs: share of each row that is kept after that, the largest of the rest.
    images:  regmean: how many are looked at.
    a:       regmean: multiplies the off-diagonals of second moments.
    then:    the method that gets the merged network: its name, or {use: name} with its options but head and train. What
             it serves and stores is what this method serves and stores; its teacher stays the suite's, or the first
             ancestor.
    head, train: as for that method.

    The first ancestor is the base where a rule needs one. One ancestor is merged into itself, and so are equal ones.
    Heads are merged where all have the same classes, else the first one's stays.

    Source: soup and greedy: Wortsman et al., ICML 2022 (arXiv 2203.05482), code; stock: Jang et al., ECCV 2024 (arXiv
    2403.19522), two third-party codes; breadcrumbs: Davari and Belilovsky, ECCV 2024 (arXiv 2312.06795), code; emr:
    Huang et al., NeurIPS 2024 (arXiv 2405.17461), code; regmean: Jin et al., ICLR 2023 (arXiv 2212.09849), code; match:
    Ainsworth et al., ICLR 2023 (arXiv 2209.04836), code for MLPs and CNNs.
    Verified: each rule against loops over numbers written down a second time from notes on that code; copies of a
    network give it, for all rules; a network and its re-ordered self give it (match); re-ordering keeps the function;
    one least-squares problem solved another way (regmean).
    Assumed: stock: the mean cosine over pairs for more than two beside the base (the paper leaves it open), t in 0..1,
    norms and biases by the same rule, and the mean for fewer than two. breadcrumbs: scale, drop and keep of the code's
    example. regmean: one data set for all ancestors; `a` 0.9 of the code's settings. match: an adaptation to
    attention: one order for the stream, heads by an assignment whose entries are the best assignments of their
    channels, q with k and v with the projection.
    Declared differences: emr's masks and scales, one set per task, have no place in a start and are left out.
    """

    how: Literal["soup", "greedy", "stock", "breadcrumbs", "emr", "regmean", "match"] = "soup"
    weights: list[float] | None = None
    scale: float = 0.4
    drop: float = 0.1
    keep: float = 0.2
    images: int = 1024
    a: float = 0.9
    then: str | dict[str, Any] = "weight_selection"

    ancestors: ClassVar[Literal["many"]] = "many"
    trains: ClassVar[bool] = False  # but as `then` does, see below

    def __post_init__(self) -> None:
        check_choices(self)
        if self.weights is not None:
            if self.how != "soup":
                raise ValueError(f"weights are for how: soup, found how: {self.how}")
            if not self.weights or abs(sum(self.weights) - 1) > 1e-9:
                raise ValueError(f"weights must add up to 1, found {self.weights}")
        if not (0 <= self.drop < 1 and 0 < self.keep <= 1 - self.drop):
            raise ValueError(f"drop and keep are shares of a row, together at most 1: found {self.drop}, {self.keep}")
        if self.images < 1:
            raise ValueError(f"images must be at least 1, found {self.images}")
        if not 0 <= self.a <= 1:
            raise ValueError(f"a must be between 0 and 1, found {self.a}")
        method = self.method()
        # facts of this class that are those of the other method
        like = {name: getattr(method, name) for name in ("trains", "trains_start", "caution", "shares_tensors")}
        vars(self).update(like)
        vars(self)["version"] = type(self).version + method.version - 1

    def method(self) -> Initializer:
        """The method that gets the merged network. Raises ValueError for one that cannot."""
        options = {"use": self.then} if isinstance(self.then, str) else dict(self.then)
        use = options.pop("use", None)
        if use is None or {"head", "train"} & set(options):
            raise ValueError(f"then needs the key 'use'; head and train stand beside it, not in it: found {self.then}")
        try:
            method = get(use, **options, head=self.head, train=self.train)
        except (KeyError, TypeError) as error:
            raise ValueError(f"then: {error.args[0]}") from None
        if method.ancestors != 1:
            raise ValueError(f"then: {use} does not start from one ancestor")
        return method

    def version_of(self, target: VitSpec | None) -> int:
        return type(self).version + self.method().version_of(target) - 1

    def start_steps(self) -> int | None:
        return self.method().start_steps()

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return self.method().supports(ancestor, target)

    def check(self, ancestor: VitSpec, target: VitSpec) -> None:
        self.method().check(ancestor, target)

    def family(self, target: VitSpec) -> Hashable:
        return self.method().family(target)

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> Merge:
        method = self.method()
        resolved = method.resolve(ancestor, targets)
        options = {"use": self.then} if isinstance(self.then, str) else dict(self.then)
        names = [f.name for f in fields(method) if f.name not in ("head", "train")]
        derived = {n: getattr(resolved, n) for n in names if getattr(resolved, n) != getattr(method, n)}
        return replace(self, then=options | derived) if derived else self

    def condense(self, ancestor: Sequence[nn.Module], lab: Lab | None) -> Learngene:
        models = list(ancestor)
        specs = [spec_of(model) for model in models]
        if not specs or any(s.replace(num_classes=1) != specs[0].replace(num_classes=1) for s in specs):
            raise ValueError(f"merge needs ancestors of one size, found {specs or 'none'}")
        if self.weights is not None and len(self.weights) != len(models):
            raise ValueError(f"weights has {len(self.weights)} entries for {len(models)} ancestors")
        device = next(models[0].parameters()).device
        dtype = next(models[0].parameters()).dtype
        result = fresh_vit(specs[0], generator(lab, "merged")).to(device, dtype)
        result.load_state_dict(self.merged(models, result, specs[0], lab))
        return self.method().condense(result, lab)

    def merged(self, models: Sequence[nn.Module], scratch: nn.Module, spec: VitSpec, lab: Lab | None) -> State:
        """The state dict of the merged network; `scratch` is a module of its size to try weights in."""
        from methods.parts import merge

        states = [{name: t.detach() for name, t in model.state_dict().items()} for model in models]
        if self.how == "match":
            from methods.parts.matching import matched

            draw = generator(lab, "order of roles")
            with lab.meter("matching") if lab else nullcontext():
                others = [matched(states[0], state, spec.num_heads, draw) for state in states[1:]]
            return merge.by_tensor([states[0], *others], merge.soup)
        if self.how in ("greedy", "regmean"):
            if lab is None:
                raise ValueError(f"merge looks at images with how: {self.how}: condense needs a lab")
            if self.how == "greedy":
                if any(model.num_classes != spec.num_classes for model in models):
                    raise ValueError("merge compares accuracies with how: greedy: the ancestors need the same classes")
                return merge.greedy(states, lambda state: self.accuracy(scratch, state, lab))
            moments = [self.second_moments(model, lab) for model in models]
            with lab.meter("regression means"):
                return merge.regression_mean(states, moments, self.a)
        rules: dict[str, merge.Rule] = {
            "soup": lambda tensors: merge.soup(tensors, self.weights),
            "stock": merge.stock,
            "breadcrumbs": lambda tensors: merge.breadcrumbs(tensors, self.scale, self.drop, self.keep),
            "emr": merge.emr,
        }
        return merge.by_tensor(states, rules[self.how])

    def second_moments(self, model: nn.Module, lab: Lab) -> State:
        """Those of the inputs of every linear layer of the model."""
        from torch.nn import Linear

        from methods.parts.merge import SecondMoments

        layers = [name for name, module in model.named_modules() if isinstance(module, Linear)]
        moments = SecondMoments()
        observe(model, lab, self.images, "regmean", layers, moments.take)
        return moments.means()

    def accuracy(self, scratch: nn.Module, state: State, lab: Lab) -> float:
        """Validation accuracy of a network of `scratch`'s size with these weights."""
        scratch.load_state_dict(state)
        return lab.accuracy(scratch)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        self.method().initialize(target, learngene, lab)
