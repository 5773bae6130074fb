"""FINE: the matrices of all layers share singular vectors; a target trains its own singular values first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import HEAD, MOSTLY_DECLARED, Initializer, Lab, Learngene
from methods.parts.templates import MATRICES
from methods.parts.weights import check_choices, fresh_vit, generator
from methods.vit import VitSpec, mismatch, spec_of
from methods.wave import fill_skeleton

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from methods.parts.by_rule import RuledVit

PATHS = {"qkv": "attn.qkv.weight", "proj": "attn.proj.weight", "fc1": "mlp.fc1.weight", "fc2": "mlp.fc2.weight"}
STD = 0.02  # of timm's linear layers


@dataclass
class Fine(Initializer):
    """FINE by second-hand notes, mostly declared by us: layers share singular vectors and have own values.

    rank:        r of the factors; default: the width d.
    kl:          weight of the KL divergence to the teacher, times temperature^2;
    ce:          that of cross entropy beside it.
    temperature: of the distillation.
    start:       a target's values before their training: random (normal, so that weights have std 0.02), identical (the
                 mean of the auxiliary layers), linear (the line of least squares over l / (L - 1) through them), or aux
                 (interpolated between them over l / (L - 1)).
    steps:       training steps of a target's values, 0: none; their recipe is `train`, without warm-up and, for so few,
                 torch.compile.
    sigma_lr:    their learning rate.
    head, train: whether the classifier transfers; recipe of the auxiliary network and, but for steps and lr, of the
                 values.

    Matrix W_l of a group (qkv, proj, fc1, fc2) is U diag(sigma_l) V^T: U [out, r] and V [in, r] belong to all layers
    and depths, sigma_l [r] to one layer. Condense trains an auxiliary network of the ancestor's size so, by
    distillation; initialize freezes U and V, trains sigma on cross entropy, and writes dense weights. Only depth may
    change.

    Source: Xie et al., FINE: Factorizing Knowledge for Initialization of Variable-sized Diffusion Models, CVPR 2026
    (arXiv 2409.19289), known from its abstract and from notes; no code. It cannot stand for the paper's method.
    Verified: the formula against loops in float64; wave with whole templates u_k v_k^T is the same rule; with `start:
    aux`, no steps and the auxiliary depth a target has the auxiliary network's matrices; stored parameters at r = d, 12
    layers: 784,704 / 2,749,056 / 10,216,704. Not a number of the paper.
    Assumed: the rank, the loss for classification, how U, V and sigma start (normal, sigma 1, weights of std 0.02) and
    their optimiser (sigma is not decayed), what embeddings, norms and biases do (as wave with `widths: one`: those of
    blocks belong to the size and train with sigma, the others are stored), all of `start` but random.
    """

    rank: int | None = None
    kl: float = 1.0
    ce: float = 1.0
    temperature: float = 1.0
    start: Literal["random", "identical", "linear", "aux"] = "random"
    steps: int = 300
    sigma_lr: float = 1e-2

    trains_start: ClassVar[bool] = True
    at_start: ClassVar[tuple[str, ...]] = ("head", "start", "steps", "sigma_lr")
    uses: ClassVar[tuple[str, ...]] = ("images", "labels", "teacher")
    caution: ClassVar[str] = MOSTLY_DECLARED

    def __post_init__(self) -> None:
        check_choices(self)
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"rank must be at least 1, found {self.rank}")
        for name in ("kl", "ce", "steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        for name in ("temperature", "sigma_lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        if self.kl == self.ce == 0:
            raise ValueError("kl and ce must not both be 0")
        if "distill" in self.train:
            raise ValueError("train.distill is derived: set kl, ce and temperature instead")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        return mismatch(ancestor, target)

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> Fine:
        return replace(self, rank=self.rank or ancestor.embed_dim)

    def start_steps(self) -> int:
        return self.steps

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        from methods.parts.by_rule import RuledVit

        if lab is None:
            raise ValueError("fine trains an auxiliary network: condense needs a lab")
        spec = spec_of(ancestor)
        tensors = fresh_factors(spec, self.rank or spec.embed_dim, lab.generator("factors"))
        undecayed = [name for name in tensors if name.startswith("sigma.")]
        aux = RuledVit(fresh_vit(spec, lab.generator("aux")), tensors, factored, undecayed=undecayed)
        distill = {"kl": self.kl, "ce": self.ce, "temperature": self.temperature}
        lab.fit(aux.to(lab.device), name="aux", recipe={**self.train, "distill": distill}, loss="kd")
        dropped = () if self.head == "transfer" else HEAD
        tensors = {n: t for n, t in aux.stored().items() if not n.startswith("blocks.") and n not in dropped}
        return Learngene(tensors, {"ancestor": asdict(spec), "classes": lab.classes})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"fine {reason}")
        head = self.head_transfers(learngene, lab)
        model = self.before_training(spec, learngene, lab, head)
        if self.steps:
            if lab is None:
                raise ValueError("fine trains singular values: initialize needs a lab, or steps 0")
            self.fit_values(model, lab, head)
        model.give(target, head=head)

    def before_training(self, spec: VitSpec, learngene: Learngene, lab: Lab | None, head: bool) -> RuledVit:
        """The target under the rule, U and V frozen, with its values at their start."""
        from methods.parts.by_rule import RuledVit

        draw = generator(lab, "values")
        tensors: dict[str, Tensor] = {}
        shared = [f"{side}.{group}" for group in MATRICES for side in ("u", "v")]
        for group in MATRICES:
            u, v, sigma = (learngene.tensors[f"{name}.{group}"] for name in ("u", "v", "sigma"))
            tensors |= {f"u.{group}": u, f"v.{group}": v}
            tensors[f"sigma.{group}"] = first_values(self.start, sigma, u, v, spec.depth, draw)
        values = [f"sigma.{group}" for group in MATRICES]
        skeleton = fresh_vit(spec, generator(lab, "start"))
        model = RuledVit(skeleton, tensors, factored, frozen=shared, undecayed=values)
        fill_skeleton(model.skeleton, learngene.tensors, head=head)
        return model

    def fit_values(self, model: RuledVit, lab: Lab, head: bool) -> None:
        """Train what belongs to this size, everything that is stored being frozen."""
        parameters = model.freeze_all_but(model.trained, head=head)
        few = {"steps": self.steps, "lr": self.sigma_lr, "warmup_steps": 0, "compile": False}
        recipe: dict[str, Any] = {**self.train, **few}
        lab.fit(model.to(lab.device), name="values", recipe=recipe, loss="ce", params=parameters)


def factored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The matrices of all blocks by timm's names, from `u.<group>`, `v.<group>` and `sigma.<group>` [layers, r]."""
    from methods.parts.bases import combined_rank_one

    weights: dict[str, Tensor] = {}
    for group, path in PATHS.items():
        matrices = combined_rank_one(*(tensors[f"{name}.{group}"] for name in ("sigma", "u", "v")))
        weights |= {f"blocks.{block}.{path}": matrix for block, matrix in enumerate(matrices.unbind())}
    return weights


def fresh_factors(spec: VitSpec, rank: int, draw: torch.Generator) -> dict[str, Tensor]:
    """U and V, normal, so that weights have std 0.02 where all singular values are 1, as they are."""
    import torch

    width, hidden = spec.embed_dim, spec.hidden_dim
    shapes = {"qkv": (3 * width, width), "proj": (width, width), "fc1": (hidden, width), "fc2": (width, hidden)}
    std, tensors = (STD / rank**0.5) ** 0.5, {}
    for group, (rows, columns) in shapes.items():
        tensors[f"u.{group}"] = torch.randn(rows, rank, generator=draw) * std
        tensors[f"v.{group}"] = torch.randn(columns, rank, generator=draw) * std
        tensors[f"sigma.{group}"] = torch.ones(spec.depth, rank)
    return tensors


def first_values(start: str, sigma: Tensor, u: Tensor, v: Tensor, depth: int, draw: torch.Generator) -> Tensor:
    """Singular values [depth, r] of a target's group before training, from those of the auxiliary layers [L, r]."""
    import torch

    from methods.parts.wave_model import at_depth

    if start == "random":
        scale = (u.square().mean(0) * v.square().mean(0)).sum().sqrt()  # of a weight, where values have variance 1
        return torch.randn(depth, sigma.shape[1], generator=draw).to(sigma) * (STD / scale)
    if start == "identical":
        return sigma.mean(0).expand(depth, -1)
    return at_depth(line(sigma) if start == "linear" else sigma, depth)


def line(sigma: Tensor) -> Tensor:
    """The values [L, r] of the line of least squares over l / (L - 1) through each column of `sigma` [L, r]."""
    import torch

    position = torch.arange(len(sigma)).to(sigma) / max(len(sigma) - 1, 1)
    centred = (position - position.mean())[:, None]
    slope = (centred * sigma).sum(0) / centred.square().sum().clamp(min=1e-12)
    return sigma.mean(0) + centred * slope
