"""LeTs: a small learngene and the linear maps that widen and deepen it are trained together in an auxiliary network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.distillation import check_distillation, distilling
from methods.parts.weights import check_choices, fresh_vit, named_as_in, under
from methods.sws import spread, stage_of_block
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.parts.by_rule import RuledVit

OWN = ("gene.", "map.", "mix.", "head.gene.", "head.map")  # names of what the auxiliary network's weights are made of


@dataclass
class LearnableTransformation(Initializer):
    """LeTs: a narrow, shallow gene and maps that grow it are distilled; targets take the first rows of the maps.

    gene_width:  d0, width of the gene; default: half of aux_width, in whole heads.
    gene_depth:  L0, its blocks, an even number; default: the largest up to half of the ancestor's depth, at least 2.
    aux_width:   D, width of the auxiliary network and the largest of a target; default: the ancestor's.
    alpha:       weight of the KL divergence to the teacher; cross entropy has 1 - alpha.
    temperature: of the distillation.
    head, train: whether the classifier transfers; recipe of the auxiliary network.

    The auxiliary network is 2 L0 deep. Width first: gene layer k becomes [I; B] W [I; A]^T with its own F_q, F_k, F_v,
    F_ffn and the net's F_emb, tied as in ligo. Then depth: row j < L0 mixes gene layers 2 floor(j / 2) and the next by
    two coefficients, own ones of norm1, q, k, v, proj, norm2, fc1, fc2, and of weight and bias; auxiliary layers 2 j
    and 2 j + 1 are both row j. Patch embedding and final norm are of F_emb, the head's inputs of a map of its own;
    positions (and class token) are learned as they are. A target of width D' takes the first D' - d0 rows of every F
    (in proportion for the hidden units) and the first D' channels of the positions; its blocks are rows, each as often
    as stages of sws have layers. Depth may change, width from d0 to D; head_dim is fixed.

    Source: Xia et al., Initializing Variable-sized Vision Transformers from Learngene with Learnable Transformation,
    NeurIPS 2024, and its released code.
    Verified: width before depth, pairs and rows, ties, starts, first rows, and the one published list of rows (12 of 8)
    as read in the released code; dense weights against loops in float64; a target of the auxiliary size computes what
    the auxiliary network computes; stored parameters of the published 384 x 8 to 768 x 16: 37,203,328, with the head
    37,735,784.
    Assumed: the defaults of d0 and L0; other depths, of which those below L0 follow sws; coefficients are not decayed.
    Declared differences: a head for other classes is fresh, where the code takes the first rows of ImageNet's; the KL
    is divided by the batch; the teacher is the suite's, not LeViT-384.
    """

    gene_width: int | None = None
    gene_depth: int | None = None
    aux_width: int | None = None
    alpha: float = 1.0
    temperature: float = 1.0

    at_start: ClassVar[tuple[str, ...]] = ("head",)
    uses: ClassVar[tuple[str, ...]] = ("images", "teacher")

    def __post_init__(self) -> None:
        check_choices(self)
        check_distillation(self)
        if self.gene_depth is not None and (self.gene_depth < 2 or self.gene_depth % 2):
            raise ValueError(f"gene_depth must be an even number of at least 2, found {self.gene_depth}")

    def sizes(self, ancestor: VitSpec) -> tuple[VitSpec, VitSpec]:
        """The gene's size and the auxiliary network's. Raises ValueError for widths that are no whole heads."""
        channels = ancestor.head_dim
        wide = self.aux_width or ancestor.embed_dim
        narrow = self.gene_width or max(wide // channels // 2, 1) * channels
        for name, width in (("gene_width", narrow), ("aux_width", wide)):
            if width < 1 or width % channels:
                raise ValueError(f"{name} {width} is no multiple of the ancestor's head_dim {channels}")
        if narrow > wide:
            raise ValueError(f"gene_width {narrow} is more than aux_width {wide}")
        blocks = self.gene_depth or max(ancestor.depth // 4 * 2, 2)
        gene = ancestor.replace(embed_dim=narrow, num_heads=narrow // channels, depth=blocks)
        return gene, ancestor.replace(embed_dim=wide, num_heads=wide // channels, depth=2 * blocks)

    def supports(self, ancestor: VitSpec, target: VitSpec) -> str | None:
        gene, aux = self.sizes(ancestor)
        if not gene.embed_dim <= target.embed_dim <= aux.embed_dim:
            return f"serves embed_dim {gene.embed_dim} to {aux.embed_dim}: target {target.embed_dim}"
        if target.head_dim != ancestor.head_dim:
            return f"cannot change head_dim: ancestor {ancestor.head_dim}, target {target.head_dim}"
        return mismatch(ancestor, target, may_differ=("embed_dim", "num_heads"))

    def resolve(self, ancestor: VitSpec, targets: Sequence[VitSpec]) -> LearnableTransformation:
        gene, aux = self.sizes(ancestor)
        return replace(self, gene_width=gene.embed_dim, gene_depth=gene.depth, aux_width=aux.embed_dim)

    def condense(self, ancestor: nn.Module, lab: Lab | None) -> Learngene:
        if lab is None:
            raise ValueError("lets trains an auxiliary network: condense needs a lab")
        spec = spec_of(ancestor)
        gene, aux_spec = self.sizes(spec)
        aux = auxiliary(gene, aux_spec, lab)
        lab.fit(aux.to(lab.device), name="aux", recipe=distilling(self), loss="kd")
        tensors = {
            name: t for name, t in aux.stored().items() if self.head == "transfer" or not Learngene.is_head(name)
        }
        meta: dict[str, Any] = {"ancestor": asdict(spec), "classes": lab.classes}
        return Learngene(tensors, meta | {"gene": asdict(gene), "aux": asdict(aux_spec)})

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        gene, aux = (VitSpec(**learngene.meta[name]) for name in ("gene", "aux"))
        spec, ancestor = spec_of(target), VitSpec(**learngene.meta["ancestor"])
        how = replace(self, gene_width=gene.embed_dim, gene_depth=gene.depth, aux_width=aux.embed_dim)
        if reason := how.supports(ancestor, spec):
            raise ValueError(f"lets {reason}")
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        ingredients = {name: t for name, t in learngene.tensors.items() if name.startswith(OWN)}
        tensors = transformed(first_rows(ingredients, gene, spec), rows_of(spec.depth, gene.depth))
        for name, t in learngene.tensors.items():
            if not name.startswith(OWN):  # learned as they are: positions and class token, and the head's bias
                tensors[name] = t if name == "head.bias" else t[..., : spec.embed_dim]
        values = {name: tensors[named_as_in(name, tensors)] for name in target.state_dict() if name not in fresh}
        fill(target, values, fresh)


def rows_of(depth: int, rows: int) -> list[int]:
    """The row of each block: as often as stages have layers; with fewer blocks than rows as sws spreads them."""
    if depth < rows:
        return stage_of_block(depth, rows)
    return [row for row, n in enumerate(spread(depth, rows)) for _ in range(n)]


def auxiliary(gene: VitSpec, spec: VitSpec, lab: Lab) -> RuledVit:
    """The auxiliary network of size `spec` at its start."""
    import torch

    from methods.parts.by_rule import RuledVit
    from methods.parts.linear_maps import PARTS, fresh_map, map_shapes, normalised, unfused

    draw, small = lab.generator("maps"), fresh_vit(gene, lab.generator("gene")).state_dict()
    tensors = {f"gene.{part}": stack.clone() for part, stack in unfused(small).items()}
    rest = {name: t for name, t in small.items() if not name.startswith(("blocks.", "pos_embed", "cls_token", "head."))}
    tensors |= {f"gene.{name}": t for name, t in rest.items()}
    tensors |= {"head.gene.weight": small["head.weight"]}
    shapes = map_shapes(spec.embed_dim, gene.embed_dim, spec.hidden_dim, gene.hidden_dim, gene.depth)
    tensors |= {f"map.{name}": fresh_map(shape, draw) for name, shape in shapes.items()}
    if "emb" in shapes:
        tensors["head.map"] = fresh_map(shapes["emb"], draw)
    first = torch.tensor([1.0, 0.0]).expand(gene.depth, 2)
    mixtures = {f"mix.{part}": normalised(first + 0.03 * torch.rand(first.shape, generator=draw)) for part in PARTS}
    vectors = [name for name in tensors if name.startswith("gene.") and (name.endswith("bias") or "norm" in name)]
    rule = partial(transformed, rows=[row for row in range(gene.depth) for _ in range(2)])
    skeleton = fresh_vit(spec, lab.generator("aux"))
    return RuledVit(skeleton, tensors | mixtures, rule, undecayed=[*vectors, *mixtures])


def transformed(tensors: Mapping[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """The tensors of a net whose block i is row rows[i], by timm's names; without those that are learned as they are.

    tensors: `gene.<part>` [L0, ...] and `gene.<name>` outside of blocks, `map.*`, `mix.<part>` [L0, 2], and for the
    head `head.gene.weight` and `head.map`.
    """
    import torch

    from methods.parts.linear_maps import PARTS, fused, widened, widened_rest

    gene, maps, mixtures = (under(tensors, prefix) for prefix in ("gene.", "map.", "mix."))
    blocks = widened({part: gene[part] for part in PARTS}, maps)
    rest = {name: t for name, t in gene.items() if name not in PARTS}
    if "head.gene.weight" in tensors:
        rest["head.weight"] = tensors["head.gene.weight"]
    outside = widened_rest(rest, maps.get("emb"), tensors.get("head.map"))
    mixed = {part: paired(stack, mixtures[part]).unbind() for part, stack in blocks.items()}
    return fused({part: torch.stack([layers[row] for row in rows]) for part, layers in mixed.items()}) | outside


def paired(stack: Tensor, coefficients: Tensor) -> Tensor:
    """Row j [L0, ...]: layers 2 floor(j / 2) and the next of `stack` [L0, ...], by coefficients [L0, 2]."""
    pairs, weights = stack.flatten(1).unflatten(0, (-1, 2)), coefficients.unflatten(0, (-1, 2))
    return (weights @ pairs).flatten(0, 1).view_as(stack)


def first_rows(tensors: Mapping[str, Tensor], gene: VitSpec, spec: VitSpec) -> dict[str, Tensor]:
    """The maps' first rows that a target of size `spec` needs; all else as it is.

    Copies: products of tensors as a file lays them in memory may be rounded otherwise.
    """
    width, hidden = spec.embed_dim - gene.embed_dim, spec.hidden_dim - gene.hidden_dim
    return {
        name: (
            t[..., : hidden if name == "map.ffn" else width, :] if name.startswith(("map.", "head.map")) else t
        ).clone()
        for name, t in tensors.items()
    }
