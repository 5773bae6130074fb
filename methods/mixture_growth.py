"""Template mixing: small seeds trained on the task grow; the new weights recombine the seeds' templates."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import HEAD, Initializer, Lab, Learngene, fill
from methods.parts.weights import check_choices, fresh_vit, generator, named_as_in
from methods.vit import VitSpec, mismatch, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

AUTO_NORM: dict[str, Literal["mean", "unit"]] = {"depth": "mean", "width": "unit"}


@dataclass
class MixtureGrowth(Initializer):
    """Template mixing: seeds trained on the task grow; new weights are new combinations of the seeds' templates.

    Each weight matrix of a seed (q, k and v are three) is sum_t c[t] * Template_t over a bank of templates shared by
    neighbouring blocks. No ancestor: the seeds are trained from scratch with cross entropy.

    templates:    T, templates per bank.
    group_size:   neighbouring blocks that share a bank; the last group has what remains. T templates for `group_size`
                  blocks take T / group_size times the room of dense matrices, twice at the defaults, and more where the
                  last group is smaller (3 blocks: 2.7 times). `templates: 2` for groups of 2 takes that of a dense
                  seed of an even depth, and leaves no room for a direction that is orthogonal to both blocks' vectors.
    grow:         depth: one seed of the target's width, `seed_depth` blocks deep. Target block i uses the bank of seed
                  block floor(i * seed_depth / L); the first target block with a given seed block is that block, any
                  further one is new; a target no deeper than the seed takes the seed's first blocks.
                  width: two seeds of the target's depth, half its width and half its heads (odd: skipped), trained
                  apart, are the diagonal blocks of the target's matrices; the top-right blocks are mixed from bank 0,
                  the bottom-left ones from bank 1. Vectors are concatenated (q, k and v apart, so the first half of
                  the heads is seed 0's), the patch embedding is stacked on outputs, the head set side by side on
                  inputs and its biases summed.
    seed_depth:   depth growth only; default: half the deepest target's depth, rounded up.
    coefficients: the new vectors: orthogonal to those in use while these are fewer than T (where several directions
                  are, a random one of them), else their least-covered direction, with a warning; copy: that of the
                  seed's block plus noise; random; zero. The noise of copy is a unit vector, drawn anew for every new
                  vector, random is uniform in [0, 1), both of positive entries, as in the reference.
    noise_scale:  multiplies new vectors (orthogonal, random) or the noise (copy).
    norm:         mean: new vectors and noise are also multiplied by the mean norm of the bank's trained vectors; unit:
                  not; auto: mean in depth growth, unit (the reference) in width growth.
    reference:    width growth by the released rule: the four vectors of a layer are drawn together (orthogonal; normal
                  where blocks share a bank, so that the seeds' weights start with a standard deviation of about
                  0.02 sqrt(T) instead of 0.02). With orthogonal coefficients top-right keeps the one it was drawn, and
                  only bottom-left is made new, against the three others of its layer; random and zero make both, and
                  copy adds one noise vector to both.
    head, train:  whether the classifier transfers; recipe of each seed.

    Stored: the templates, the coefficients and all other tensors of the seeds (`reference`: the drawn vectors too,
    whatever the coefficients, which only a start reads).
    "In use" are the vectors of the same bank, new ones included; in width growth also those of the other bank for the
    same layer, as far as T leaves room. Weight decay acts on templates, not on coefficients, as in the reference.

    Source: Pham et al., MixtureGrowth: Growing Neural Networks by Recombining Learned Parameters, WACV 2024 (arXiv
    2311.04251), and its released code, which is for wide residual networks.
    Verified: the layout of the blocks, patch embedding as its first layer, head as its classifier, concatenated
    vectors; the released rule and its modes, as described from the released code (ours was not run against it);
    orthogonality to 1e-6 for T >= 4 and banks of at most two blocks; a target of the seed's size equals the seed, and
    diagonal blocks equal the members, bit for bit.
    Assumed: growing *depth* is an extension of ours; the paper grows width only. There new blocks take norms and
    biases from the seed block whose bank they use, and embeddings, positions, final norm and head are the seed's.
    Declared differences: templates start with each layer's own initialiser (normal, std 0.02) instead of a Kaiming draw
    over the stacked bank, coefficients orthonormal within a bank (of unit length where it has more blocks than
    templates); patch embedding and head are not mixed; by default both new vectors of a layer are made orthogonal; the
    grown target is written out as plain weights, where the paper goes on training templates. Layer norms see both
    halves of a wider target, so it is not the sum of its members, whatever the off-diagonal blocks are.
    """

    templates: int = 4
    group_size: int = 2
    grow: Literal["depth", "width"] = "depth"
    seed_depth: int | None = None
    coefficients: Literal["orthogonal", "copy", "random", "zero"] = "orthogonal"
    noise_scale: float = 1.0
    norm: Literal["auto", "mean", "unit"] = "auto"
    reference: bool = False

    version: ClassVar[int] = 3  # 2: the skeleton and the coefficients of a seed are drawn apart; 3: see version_of
    ancestors: ClassVar[int] = 0
    at_start: ClassVar[tuple[str, ...]] = ("head", "coefficients", "noise_scale", "norm")
    uses: ClassVar[tuple[str, ...]] = ("images", "labels")

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("templates", "group_size", "seed_depth"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.noise_scale < 0:
            raise ValueError(f"noise_scale must not be negative, found {self.noise_scale}")
        if self.grow == "width" and self.seed_depth is not None:
            raise ValueError("seed_depth is for grow: depth; in width growth the seeds have the target's depth")
        if self.grow == "depth" and self.reference:
            raise ValueError("reference is for grow: width; the reference does not grow depth")

    def supports(self, ancestor: VitSpec | None, target: VitSpec) -> str | None:
        if self.grow == "width":
            if target.num_heads % 2:
                return (
                    f"cannot halve num_heads: two seeds of width d/2 and h/2 need an even h, found {target.num_heads}"
                )
            if self._seed(target).hidden_dim * 2 != target.hidden_dim:
                return f"cannot halve the hidden width {target.hidden_dim} of the MLP (mlp_ratio {target.mlp_ratio})"
        return None

    def version_of(self, target: VitSpec | None) -> int:
        """2 but where version 3 gives other vectors: those that several directions were free for, of which the linear
        algebra library chose, and those of `reference` with other coefficients, where top-right was kept all the same.
        """
        if target is None or (self.coefficients != "orthogonal" and not self.reference):
            return 2
        if self.coefficients != "orthogonal":
            return 3
        depth = self.resolve(None, [target]).seed_depth or target.depth
        if self.grow == "depth" and target.depth <= depth:
            return 2
        smallest_bank = depth % self.group_size or self.group_size
        in_use = 3 if self.reference else smallest_bank + (self.grow == "width")  # where a first vector is made
        return 3 if self.templates - in_use > 1 else 2

    def family(self, target: VitSpec) -> Hashable:
        """Depth growth: all of the target's size but its depth. Width growth: all of it; the seeds are half of it."""
        size = asdict(target)
        if self.grow == "depth":
            del size["depth"]
        return tuple(sorted(size.items()))

    def resolve(self, ancestor: VitSpec | None, targets: Sequence[VitSpec]) -> MixtureGrowth:
        if len({self.family(target) for target in targets}) != 1:
            raise ValueError(f"one seed serves targets that differ in depth only when it grows depth: {list(targets)}")
        norm = self.norm if self.norm != "auto" else AUTO_NORM[self.grow]
        if self.grow == "width":
            return replace(self, norm=norm)
        half = (max(target.depth for target in targets) + 1) // 2
        return replace(self, seed_depth=self.seed_depth or half, norm=norm)

    def _seed(self, target: VitSpec) -> VitSpec:
        """The size of a seed for that target."""
        if self.grow == "depth":
            return target.replace(depth=self.seed_depth)
        return target.replace(embed_dim=target.embed_dim // 2, num_heads=target.num_heads // 2)

    def condense(self, ancestor: None, lab: Lab | None) -> Learngene:
        if lab is None:
            raise ValueError("mixture_growth trains seeds on the task: condense needs a lab")
        import torch

        how, target = self.resolve(None, lab.targets), lab.targets[0]
        if reason := how.supports(None, target):
            raise ValueError(f"mixture_growth {reason}")
        spec = how._seed(target)
        starts, skipped = how._starts(spec.depth, lab)
        members = [how._train(spec, start, f"seed {i}", lab) for i, start in enumerate(starts)]
        stacked = {name: torch.stack([member[name] for member in members]) for name in members[0]}
        stacked = {name: t for name, t in stacked.items() if how.head == "transfer" or name not in HEAD}
        meta = {"seed": asdict(spec), "classes": lab.classes, "grow": how.grow, "group_size": how.group_size}
        return Learngene(stacked | skipped, meta)

    def _starts(self, depth: int, lab: Lab) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Starting coefficients, role -> [L, T], of each seed; and `skipped.<role>` for the released rule."""
        from methods.parts.mixing import ROLES, drawn_together, orthonormal

        if self.reference:
            draw = lab.generator("coefficients")
            four = {role: drawn_together(depth, self.templates, self.group_size, draw) for role in ROLES}
            seeds = [{role: rows[member] for role, rows in four.items()} for member in (0, 1)]
            return seeds, {f"skipped.{role}": rows[2].clone() for role, rows in four.items()}
        draws = [lab.generator(f"coefficients {member}") for member in range(2 if self.grow == "width" else 1)]
        return [{r: orthonormal(depth, self.templates, self.group_size, draw) for r in ROLES} for draw in draws], {}

    def _train(self, spec: VitSpec, start: dict[str, Tensor], name: str, lab: Lab) -> dict[str, Tensor]:
        """The tensors of a trained seed."""
        from methods.parts.mixing import TemplateVit

        skeleton = fresh_vit(spec, lab.generator(f"{name} skeleton"))
        seed = TemplateVit(skeleton, start, self.group_size, lab.generator(name)).to(lab.device)
        lab.fit(seed, name=name, recipe=self.train, loss="ce")
        return seed.tensors()

    def initialize(self, target: nn.Module, learngene: Learngene, lab: Lab | None) -> None:
        from methods.parts.grown_state import deeper, wider
        from methods.parts.growth import CoefficientRule

        meta, spec = learngene.meta, spec_of(target)
        if reason := unreachable(VitSpec(**meta["seed"]), spec, meta["grow"]):
            raise ValueError(f"mixture_growth {reason}")
        norm = self.norm if self.norm != "auto" else AUTO_NORM[meta["grow"]]
        rule = CoefficientRule(self.coefficients, self.noise_scale, norm, generator(lab, "growth"))
        if meta["grow"] == "width":
            state = wider(learngene.tensors, meta["group_size"], rule)
        else:
            seed = {name: stack[0] for name, stack in learngene.tensors.items()}
            state = deeper(seed, spec.depth, meta["group_size"], rule)
        if rule.crowded:
            warnings.warn(
                f"mixture_growth: {rule.crowded} new coefficient vectors take the least-covered direction: their bank"
                " has as many vectors in use as templates, so none is orthogonal to all of them",
                stacklevel=2,
            )
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        sources = {name: named_as_in(name, state) for name in target.state_dict() if name not in fresh}
        fill(target, {name: state[source] for name, source in sources.items()}, fresh)


def unreachable(seed: VitSpec, target: VitSpec, grow: str) -> str | None:
    """Why seeds of that size cannot grow into the target, or None."""
    wide = grow == "width"
    grown = seed.replace(embed_dim=2 * seed.embed_dim, num_heads=2 * seed.num_heads) if wide else seed
    if wide and seed.depth != target.depth:
        return f"cannot change depth while it grows width: seeds {seed.depth}, target {target.depth}"
    reason = mismatch(grown, target, may_differ=("mlp_ratio",))  # a rounded one; other shapes are found when filling
    return reason and reason.replace("ancestor", "grown seed")
