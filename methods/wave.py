"""WAVE-style: weight templates shared by all layers and sizes; small per-size scalers say how they are combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, Loss, fill
from methods.parts.templates import MATRICES, layout, template_counts
from methods.parts.weights import check_choices, fresh_vit, generator, named_as_in
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.parts.templates import TiledGroup
    from methods.parts.wave_model import TemplatedVit


# of the scaler stage's recipe
OWN_OPTIONS = {"steps": "scaler_steps", "epochs": "scaler_steps", "lr": "scaler_lr", "distill": "scaler_kl"}


@dataclass
class Wave(Initializer):
    """WAVE-style, mostly declared: weight templates for all layers and sizes; a target first trains its scalers.

    Little of the paper could be read (see Source), so results say how these choices do, and nothing of the paper's.

    Matrix W of layer l of a group (qkv, proj, fc1, fc2) is sum_t kron(S_l,t , T_t): template T_t [a, a] belongs to all
    layers and sizes, scaler S_l,t [rows / a, columns / a] to one layer of one size. Condense trains an auxiliary
    network of the ancestor's size under this rule on kl * temperature^2 * KL(ancestor || auxiliary) + ce * cross
    entropy, both averaged over the batch. Initialize freezes the templates, trains scalers, and writes dense weights.

    templates:       templates N per group, a number or one for each of qkv, proj, fc1, fc2.
    template_size:   a, which has to divide every width and hidden width; full: whole matrices, for one width only.
    kron_order:      tile: kron(S, T), blocks of weighted templates; interleave: kron(T, S).
    kl, ce, temperature: of the distillation.
    scaler_norm:     root of the sum over t of the squares of the auxiliary scalers at their start; templates start with
                     std 0.02 / scaler_norm, so that weights have timm's 0.02.
    scalers:         aux: a target's scalers start from those of the auxiliary network, which are stored; random: drawn,
                     so that weights have std 0.02.
    decay:           what weight decay acts on: both, templates and scalers, so that dense weights decay at about twice
                     the rate of a plain network's (over the recipe of the digits suites 0.35 of them are left where
                     there 0.59 are) and the scalers alone in their stage (0.86 are left there); templates: those alone,
                     so at a plain network's rate, and no scalers in their stage.
    scaler_steps:    training steps of a target's scalers, 0: none; their recipe is `train`, without warm-up and, for
                     so few, torch.compile.
    scaler_train:    changes to that recipe for the scaler stage, which else trains as the auxiliary network did: in the
                     digits suites with mixup and label smoothing, on 108 images.
    scaler_fraction: stratified part of the training set that they are trained on.
    scaler_images:   smallest number of images of that part (all, where there are fewer).
    scaler_lr:       their learning rate.
    scaler_kl:       weight of the KL divergence to the teacher in that stage, beside cross entropy.
    scaler_noise:    relative noise on the carried scalers of matrices that get wider.
    widths:          one: only depth and heads vary; many: width too; auto: as the suite's targets need.
    head, train:     whether the classifier transfers; recipe of the auxiliary network and, but for steps, lr and
                     `scaler_train`, of the scalers.

    widths one: patch embedding, positions, class token, final norm and head are single tensors of the learngene, frozen
    in the scaler stage; norms and biases of blocks belong to the size, start at 1 and 0 and train with the scalers.
    widths many: every other tensor that grows with the width has templates (1-D for vectors, else of full extent in the
    dimension that does not grow) and scalers too: the largest N, but no more than its tiles in the ancestor.
    Carrying scalers over: linear in the relative depth l / (L - 1), a single layer takes the first; along the width
    they are repeated from the start (q, k and v each) and cut at the end, and where columns are summed over, each is
    divided by its number of replicas. So a whole multiple of the width computes what the auxiliary network computes, if
    tiled and without noise. A head that does not transfer is drawn anew, trained beside the scalers, and then dropped:
    the target keeps its own fresh head.

    Source: Feng et al., WAVE: Weight Templates for Adaptive Initialization of Variable-sized Models, CVPR 2025 (arXiv
    2406.17503). Only its abstract and third-party summaries of the method could be read: no hyper-parameter table, no
    result table, no code. Our numbers can therefore not be compared with the paper's.
    Verified: the rule, against torch.kron; layer copying and TLEG's linear expansion as special cases, exactly, with
    template_size full; dense weights against the model under the rule; counts of what is stored.
    Assumed: everything above that is no formula: the order of the Kronecker product, N, a, loss weights and
    temperature, all starts, the treatment of norms, biases, embeddings and head, how scalers carry over, and all of the
    scaler stage but that templates are frozen, data are few and steps about a hundred.
    """

    templates: int | dict[Literal["qkv", "proj", "fc1", "fc2"], int] = 4
    template_size: int | Literal["full"] = 64
    kron_order: Literal["tile", "interleave"] = "tile"
    kl: float = 1.0
    ce: float = 1.0
    temperature: float = 1.0
    scaler_norm: float = 1.0
    scalers: Literal["aux", "random"] = "aux"
    decay: Literal["both", "templates"] = "both"
    scaler_steps: int = 100
    scaler_train: dict[str, Any] = field(default_factory=dict)
    scaler_fraction: float = 0.1
    scaler_images: int = 0
    scaler_lr: float = 1e-2
    scaler_kl: float = 0.0
    scaler_noise: float = 0.05
    widths: Literal["auto", "one", "many"] = "auto"

    trains_start: ClassVar[bool] = True
    uses: ClassVar[tuple[str, ...]] = ("images", "labels", "teacher")
    caution: ClassVar[str] = "WAVE-style: after the paper's abstract and summaries of it, without its text or code"
    at_start: ClassVar[tuple[str, ...]] = (
        *("head", "scaler_steps", "scaler_train", "scaler_fraction", "scaler_images", "scaler_lr", "scaler_kl"),
        "scaler_noise",
    )
    recipes: ClassVar[tuple[str, ...]] = ("scaler_train",)

    def __post_init__(self) -> None:
        check_choices(self)
        counts = self.templates if isinstance(self.templates, dict) else dict.fromkeys(MATRICES, self.templates)
        if set(counts) != set(MATRICES) or min(counts.values()) < 1:
            raise ValueError(f"templates needs numbers of at least 1 for {', '.join(MATRICES)}; found {self.templates}")
        if self.template_size != "full" and (isinstance(self.template_size, str) or self.template_size < 1):
            raise ValueError(f"template_size must be at least 1 or 'full', found {self.template_size!r}")
        for name in ("kl", "ce", "scaler_kl", "scaler_noise", "scaler_steps", "scaler_images"):
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
        for name, option in OWN_OPTIONS.items():
            if name in self.scaler_train:
                raise ValueError(f"scaler_train.{name} has an option of its own: set {option} instead")

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

    def start_steps(self) -> int:
        return self.scaler_steps

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates

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
        skeleton, decayed = fresh_vit(spec, lab.generator("aux")), how.decay == "both"
        aux = TemplatedVit(skeleton, groups, how.kron_order, templates, scalers, decay_scalers=decayed)
        distill = {"kl": how.kl, "ce": how.ce, "temperature": how.temperature}
        lab.fit(aux.to(lab.device), name="aux", recipe={**how.train, "distill": distill}, loss="kd")
        meta: dict[str, Any] = {"ancestor": asdict(spec), "classes": lab.classes, "templates": counts}
        meta |= {"template_size": how.template_size, "kron_order": how.kron_order}
        return Learngene(stored(aux, scalers=how.scalers == "aux", head=transfer), meta)

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        meta, spec = learngene.meta, spec_of(target)
        made_for: Literal["many", "one"] = "many" if "patch" in meta["templates"] else "one"
        how, ancestor = replace(self, template_size=meta["template_size"], widths=made_for), VitSpec(**meta["ancestor"])
        if reason := how.supports(ancestor, spec):
            raise ValueError(f"wave {reason}")
        how.check(ancestor, spec)
        head = how.head_transfers(learngene, lab)
        model = how.start(spec, learngene, lab, head)
        if how.scaler_steps:
            if lab is None:
                raise ValueError("wave trains scalers: initialize needs a lab, or scaler_steps 0")
            how.fit_scalers(model, lab, head)
        model.give(target, head=head)

    def start(self, spec: VitSpec, learngene: Learngene, lab: Lab | None, head: bool) -> TemplatedVit:
        """The target under the rule of the learngene, before its scalers are trained."""
        from methods.parts.wave_model import TemplatedVit

        meta, tensors = learngene.meta, learngene.tensors
        counts = {name: n for name, n in meta["templates"].items() if head or name != "head"}
        sources, groups = (layout(s, counts, meta["template_size"]) for s in (VitSpec(**meta["ancestor"]), spec))
        templates = {group.name: tensors[tensor_name("templates", group.name)] for group in groups}
        scalers = self.first_scalers(sources, groups, tensors, lab)
        skeleton, decayed = fresh_vit(spec, generator(lab, "start")), self.decay == "both"
        model = TemplatedVit(skeleton, groups, meta["kron_order"], templates, scalers, decay_scalers=decayed)
        fill_skeleton(model.skeleton, tensors, head=head)
        return model

    def first_scalers(
        self, sources: list[TiledGroup], groups: list[TiledGroup], tensors: dict[str, Tensor], lab: Lab | None
    ) -> dict[str, Tensor]:
        """Scalers of the target's `groups` before training, from those of the same groups of the ancestor's size."""
        from methods.parts.wave_model import carry_scalers, jittered, random_scalers

        if self.scalers == "random":
            templates = {group.name: tensors[tensor_name("templates", group.name)] for group in groups}
            return random_scalers(groups, templates, generator(lab, "random scalers"))
        if "scalers.qkv" not in tensors:
            raise ValueError("this learngene was condensed with scalers: random and holds no scalers to start from")
        draw, scalers = generator(lab, "scaler noise"), {}
        for source, group in zip(sources, groups, strict=True):
            carried = carry_scalers(tensors[tensor_name("scalers", group.name)], source, group)
            replicated = group.inputs and group.grid[1] > source.grid[1]
            scalers[group.name] = jittered(carried, self.scaler_noise, draw) if replicated else carried
        return scalers

    def fit_scalers(self, model: TemplatedVit, lab: Lab, head: bool) -> None:
        """Train what belongs to this size, templates and everything else stored being frozen."""
        parameters = model.freeze_all_but(model.scalers.parameters(), head=head)
        few = {"steps": self.scaler_steps, "lr": self.scaler_lr, "warmup_steps": 0, "compile": False}
        recipe: dict[str, Any] = {**self.train, **self.scaler_train, **few}
        if self.scaler_kl:
            recipe["distill"] = {"kl": self.scaler_kl, "ce": 1.0, "temperature": self.temperature}
        loss: Loss = "kd" if self.scaler_kl else "ce"
        part: dict[str, Any] = {"fraction": self.scaler_fraction, "at_least": self.scaler_images}
        lab.fit(model.to(lab.device), name="scalers", recipe=recipe, loss=loss, params=parameters, **part)


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
