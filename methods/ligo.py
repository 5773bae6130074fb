"""LiGO: a larger net is a learned linear map of a trained smaller one; the map is trained for some steps per target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene
from methods.parts.weights import check_choices, fresh_vit, generator, named_as_in, under
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.parts.by_rule import RuledVit


@dataclass
class Ligo(Initializer):
    """LiGO: depth mixtures, then width maps, of the frozen ancestor are trained per target on the task loss.

    depth:       where the mixture of layer i starts: stack (layer i mod L) or interleave (layer floor(i L / L')).
    noise:       uniform noise within 0..noise on the mixtures' start, normalised to the sum 1.
    steps:       training steps of the maps, 0: none; their recipe is `train`, without warm-up and, for so few,
                 torch.compile.
    head, train: whether the classifier transfers; recipe of the maps' training.

    W_l' = [I; B] (sum_k w_lk W_k) [I; A]^T, vectors likewise by [I; B]: B and A are the maps F of a matrix's outputs
    and inputs. Mixtures w are own ones of each target layer, module (norm1, q, k, v, proj, norm2, fc1, fc2), weight and
    bias. F_q, F_k, F_v, F_ffn are own ones of each target layer, F_emb is one for the net. q, k, v and fc1 read emb;
    proj reads v's and writes emb; fc2 reads ffn's and writes emb; norms, patch embedding, positions, class token, final
    norm and the head's inputs are of emb. Then dense weights are written. Cannot get narrower; any depth.

    Stored: the ancestor. A head that does not transfer is drawn anew, trained beside the maps and then dropped.

    Source: Wang et al., Learning to Grow Pretrained Models for Efficient Transformer Training, ICLR 2023 (arXiv
    2303.00980), and its released code, which is for BERT.
    Verified: the order depth then width, the ties, and all starts as read in the released code; dense weights against
    loops in float64; without noise and steps a deeper target is made of exact copies.
    Assumed: ViT tensors that BERT does not have follow emb; mixtures are not decayed; the training recipe is the
    suite's. Declared difference: the code's interleave is i // 2 whatever the ratio. Maps are not divided by counts, so
    activations grow with the width, as in the code.
    """

    depth: Literal["stack", "interleave"] = "stack"
    noise: float = 0.03
    steps: int = 100

    trains: ClassVar[bool] = False
    trains_start: ClassVar[bool] = True
    at_start: ClassVar[tuple[str, ...]] = ("head", "depth", "noise", "steps")
    uses: ClassVar[tuple[str, ...]] = ("images", "labels")

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("noise", "steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, found {getattr(self, name)}")

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        if target.embed_dim < ancestor.embed_dim:
            return f"cannot shrink embed_dim: ancestor {ancestor.embed_dim}, target {target.embed_dim}"
        if target.head_dim != ancestor.head_dim:
            return f"cannot change head_dim: ancestor {ancestor.head_dim}, target {target.head_dim}"
        return mismatch(ancestor, target, may_differ=("embed_dim", "num_heads"))

    def start_steps(self) -> int:
        return self.steps

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        tensors = {name: t.detach().cpu().clone() for name, t in ancestor.state_dict().items()}
        if self.head == "fresh":
            tensors = {name: t for name, t in tensors.items() if name not in HEAD}
        return Learngene(tensors, {"ancestor": asdict(spec_of(ancestor)), "classes": lab.classes if lab else None})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        ancestor, spec = VitSpec(**learngene.meta["ancestor"]), spec_of(target)
        if reason := self.supports(ancestor, spec):
            raise ValueError(f"ligo {reason}")
        head = self.head_transfers(learngene, lab)
        small = {name: t for name, t in learngene.tensors.items() if head or name not in HEAD}
        model = self.start(ancestor, spec, small, lab)
        if self.steps:
            if lab is None:
                raise ValueError("ligo trains its maps: initialize needs a lab, or steps 0")
            recipe = {**self.train, "steps": self.steps, "warmup_steps": 0, "compile": False}
            lab.fit(model.to(lab.device), name="maps", recipe=recipe, loss="ce")
        model.give(target, head=head)

    def start(self, ancestor: VitSpec, spec: VitSpec, small: dict[str, Tensor], lab: Lab | None) -> RuledVit:
        """The target as maps of the frozen `small` net, before they are trained."""
        from methods.parts.by_rule import RuledVit
        from methods.parts.linear_maps import PARTS, fresh_map, fresh_mixture, map_shapes

        draw, layers = generator(lab, "maps"), range(spec.depth)
        stacked = [i % ancestor.depth for i in layers]
        sources = stacked if self.depth == "stack" else [i * ancestor.depth // spec.depth for i in layers]
        skeleton = fresh_vit(spec, generator(lab, "start"))
        names = set(skeleton.state_dict())
        # In one order, whatever that of a file is: gradients of F_emb are summed in the order of its uses.
        frozen = {}
        for name, tensor in sorted(small.items()):
            frozen["small." + (name if name.startswith("blocks.") else named_as_in(name, names))] = tensor
        shapes = map_shapes(spec.embed_dim, ancestor.embed_dim, spec.hidden_dim, ancestor.hidden_dim, spec.depth)
        mixtures = {f"mix.{part}": fresh_mixture(sources, ancestor.depth, self.noise, draw) for part in PARTS}
        maps = {f"map.{name}": fresh_map(shape, draw) for name, shape in shapes.items()}
        tensors = {**frozen, **mixtures, **maps}
        return RuledVit(skeleton, tensors, grown, frozen=frozen, undecayed=mixtures)


def grown(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The large net's tensors by timm's names, from those of the small net, the mixtures and the maps.

    tensors: `small.<name>`, `mix.<part>` [L', L], and `map.<emb, q, k, v, ffn>` where something is added.
    """
    from methods.parts.linear_maps import fused, mixed, unfused, widened, widened_rest

    small, mixtures, maps = (under(tensors, prefix) for prefix in ("small.", "mix.", "map."))
    rest = {name: t for name, t in small.items() if not name.startswith("blocks.")}
    blocks = widened(mixed(unfused(small), mixtures), maps)
    return fused(blocks) | widened_rest(rest, maps.get("emb"), maps.get("emb"))
