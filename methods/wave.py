"""WAVE: weight templates shared by all layers and sizes; small per-size scalers say how they are combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.templates import MATRICES, layout, template_counts
from methods.vit import VitSpec, mismatch, spec_of
from methods.weights import check_choices, fresh_vit, generator, named_as_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.wave_model import TemplatedVit


@dataclass
class Wave(Initializer):
    """WAVE: weight templates shared by layers and sizes are distilled once; a target first trains its scalers."""

    templates: int | dict[Literal["qkv", "proj", "fc1", "fc2"], int] = 4
    template_size: int | Literal["full"] = 64
    kron_order: Literal["tile", "interleave"] = "tile"
    kl: float = 1.0
    ce: float = 1.0
    temperature: float = 1.0
    scaler_norm: float = 1.0
    scalers: Literal["aux", "random"] = "aux"
    scaler_steps: int = 100
    scaler_fraction: float = 0.1
    scaler_lr: float = 1e-2
    scaler_kl: float = 0.0
    scaler_noise: float = 0.05
    widths: Literal["auto", "one", "many"] = "auto"

    trains_start: ClassVar[bool] = True
    at_start: ClassVar[tuple[str, ...]] = (
        *("scaler_steps", "scaler_fraction", "scaler_lr", "scaler_kl", "scaler_noise"),
    )

    def __post_init__(self) -> None:
        check_choices(self)
        counts = self.templates if isinstance(self.templates, dict) else dict.fromkeys(MATRICES, self.templates)
        if set(counts) != set(MATRICES) or min(counts.values()) < 1:
            raise ValueError(f"templates needs numbers of at least 1 for {', '.join(MATRICES)}; found {self.templates}")
        if self.template_size != "full" and (isinstance(self.template_size, str) or self.template_size < 1):
            raise ValueError(f"template_size must be at least 1 or 'full', found {self.template_size!r}")
        for name in ("kl", "ce", "scaler_kl", "scaler_noise", "scaler_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")
        for name in ("temperature", "scaler_norm", "scaler_lr", "scaler_fraction"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, found {getattr(self, name)}")
        if self.scaler_fraction > 1:
            raise ValueError(f"scaler_fraction must be at most 1, found {self.scaler_fraction}")
        if self.kl == self.ce == 0:
            raise ValueError("kl and ce must not both be 0")
        if "distill" in self.train:
            raise ValueError("train.distill is derived: set kl, ce and temperature instead")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        width = () if self.widths == "one" else ("embed_dim",)
        return mismatch(ancestor, target, may_differ=("num_heads", *width))

    def check(self, ancestor: VitSpec, target: VitSpec) -> None:
        size = self.template_size
        if size == "full" and target.embed_dim != ancestor.embed_dim:
            widths = f"the ancestor has {ancestor.embed_dim}, the target {target.embed_dim}"
            raise ValueError(f"template_size 'full' serves one width only: {widths}")
        for who, spec in (("ancestor", ancestor), ("target", target)):
            for name in ("embed_dim", "hidden_dim"):
                if size != "full" and getattr(spec, name) % size:
                    raise ValueError(f"template_size {size} does not divide the {who}'s {name} {getattr(spec, name)}")

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> Wave:
        if self.widths != "auto":
            return self
        many = any(target.embed_dim != ancestor.embed_dim for target in targets)
        return replace(self, widths="many" if many else "one")

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        from methods.wave_model import TemplatedVit, fresh_scalers, fresh_templates

        if lab is None:
            raise ValueError("wave trains an auxiliary network: condense needs a lab")
        spec = spec_of(ancestor)
        how = self.resolve(spec, lab.targets)
        for target in lab.targets:
            how.check(spec, target)
        many, transfer = how.widths == "many", how.head == "transfer"
        counts = template_counts(spec, how.templates, how.template_size, many_widths=many, head=transfer)
        groups = layout(spec, counts, how.template_size)
        templates = fresh_templates(groups, lab.generator("templates"), how.scaler_norm)
        scalers = fresh_scalers(groups, lab.generator("scalers"), how.scaler_norm)
        aux = TemplatedVit(fresh_vit(spec, lab.generator("aux")), groups, how.kron_order, templates, scalers)
        distill = {"kl": how.kl, "ce": how.ce, "temperature": how.temperature}
        lab.fit(aux.to(lab.device), name="aux", recipe={**how.train, "distill": distill}, loss="kd")
        meta = {"ancestor": asdict(spec), "classes": lab.classes, "templates": counts}
        meta |= {"template_size": how.template_size, "kron_order": how.kron_order}
        return Learngene(stored(aux, scalers=how.scalers == "aux", head=transfer), meta)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"wave {reason}")
        if self.scaler_steps and lab is None:
            raise ValueError("wave trains scalers: initialize needs a lab, or scaler_steps 0")
        head = self.head_transfers(learngene, lab)
        model = self.start(spec, learngene, lab, head)
        if self.scaler_steps:
            self.fit_scalers(model, lab, head)
        tensors = {name: t for name, t in model.materialize().items() if head or name not in HEAD}
        fill(target, tensors, fresh=() if head else HEAD)

    def start(self, spec: VitSpec, learngene: Learngene, lab: Lab | None, head: bool) -> TemplatedVit:
        """The target under the rule, before its scalers are trained."""
        import torch

        from methods.wave_model import TemplatedVit, carry_scalers, random_scalers

        meta, ancestor = learngene.meta, VitSpec(**learngene.meta["ancestor"])
        counts = {name: n for name, n in meta["templates"].items() if head or name != "head"}
        groups = layout(spec, counts, meta["template_size"])
        templates = {g.name: learngene.tensors[tensor_name("templates", g.name)] for g in groups}
        if self.scalers == "random":
            scalers = random_scalers(groups, templates, generator(lab, "random scalers"))
        else:
            sources, draw = layout(ancestor, counts, meta["template_size"]), generator(lab, "scaler noise")
            scalers = {}
            for source, group in zip(sources, groups, strict=True):
                s = carry_scalers(learngene.tensors[tensor_name("scalers", group.name)], source, group)
                if group.inputs and spec.embed_dim > ancestor.embed_dim:
                    s = s * (1 + self.scaler_noise * torch.randn(s.shape, generator=draw))
                scalers[group.name] = s
        model = TemplatedVit(fresh_vit(spec, generator(lab, "start")), groups, meta["kron_order"], templates, scalers)
        fill_skeleton(model.skeleton, learngene.tensors, head=head)
        return model

    def fit_scalers(self, model: TemplatedVit, lab: Lab, head: bool) -> None:
        """Train what belongs to this size, templates and everything else stored being frozen."""
        own = [*model.scalers.parameters(), *model.skeleton.blocks.parameters()]
        own += [] if head else model.skeleton.head.parameters()
        model.requires_grad_(False)
        for parameter in own:
            parameter.requires_grad_(True)
        recipe: dict[str, Any] = {**self.train, "steps": self.scaler_steps, "lr": self.scaler_lr, "warmup_epochs": 0.0}
        if self.scaler_kl:
            recipe["distill"] = {"kl": self.scaler_kl, "ce": 1.0, "temperature": self.temperature}
        loss = "kd" if self.scaler_kl else "ce"
        lab.fit(
            model.to(lab.device), name="scalers", recipe=recipe, loss=loss, params=own, fraction=self.scaler_fraction
        )


def tensor_name(kind: str, group: str) -> str:
    """Name in the learngene of a group's templates or scalers; those of the head are counted with the head."""
    return f"head.{kind}" if group == "head" else f"{kind}.{group}"


def stored(aux: TemplatedVit, *, scalers: bool, head: bool) -> dict[str, Tensor]:
    """Templates, scalers if wished, and the single tensors outside of the blocks; the head only if it may transfer."""
    tensors = {tensor_name("templates", name): t for name, t in aux.templates.items()}
    if scalers:
        tensors |= {tensor_name("scalers", name): t for name, t in aux.scalers.items()}
    rest = {name: t for name, t in aux.skeleton.state_dict().items() if not name.startswith("blocks.")}
    tensors |= {name: t for name, t in rest.items() if head or name not in HEAD}
    return {name: t.detach().cpu().clone() for name, t in tensors.items()}


def fill_skeleton(skeleton: nn.Module, tensors: dict[str, Tensor], *, head: bool) -> None:
    """Copy the single tensors into what is not generated; norms and biases of blocks stay at timm's ones and zeros."""
    names = set(skeleton.state_dict())
    fresh = {name for name in names if name.startswith("blocks.") or (name in HEAD and not head)}
    fill(skeleton, {name: tensors[named_as_in(name, tensors)] for name in names - fresh}, fresh)
