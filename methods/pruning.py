"""Structured pruning: the channels, heads and hidden units of largest weights, or of largest effect on the loss."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Lab
from methods.parts.ancestor_rule import Weights
from methods.parts.depth_maps import Down, relayered
from methods.parts.observe import observe
from methods.parts.ranking import Ranked, Scores, amounts
from methods.parts.reindex import reindex
from methods.parts.weights import fresh_vit, generator
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 64  # images over whose mean loss the source takes each gradient


@dataclass
class Pruning(Ranked):
    """Structured pruning: the target keeps the units of the highest scores, ranked within each block.

    A unit's score is the mean over the tensors that share it of the sum of its entries' scores. Units: channels of the
    stream (every matrix that reads or writes them, weights of norms), heads (rows of q, k, v, columns of proj), hidden
    units (row of fc1, column of fc2); biases, positions and class token do not count.

    score: of an entry w: l2 w^2; l1 |w|; taylor |w * gradient of the cross entropy|, the gradient summed over images;
           random: units are drawn, a control.
    score_images: how many images taylor looks at, with labels.
    compensate: none; least_squares: proj and fc2 of what is left are fitted to what they gave with all their inputs:
                W' = W M[:, K] inv(M[K, K]) for kept inputs K, where M is the second moment of the inputs plus 1e-3
                times the mean of its diagonal.
    images: how many unlabelled images least_squares looks at, for each target.
    layers: the depth map of a shallower target, see depth_map.

    Stored: all of the ancestor but its head (with it where `head: transfer`), re-ordered, best first.

    Source: Torch-Pruning (Fang et al., DepGraph, arXiv 2301.12900) and Isomorphic Pruning (2407.04616), with their code
    VainF/Torch-Pruning, VainF/Isomorphic-Pruning: sums of powers without a root, mean over the group, no biases; taylor
    from 50 batches of 64, gradients added up. The least squares are an idea of 1707.06168.
    Verified: scores, order and cut against plain loops; in equal size the ancestor's function; least squares with all
    inputs gives W, with fewer the best fit to the outputs.
    Assumed: ranked within blocks, to uniform sizes, where the sources rank over the whole net and leave ragged widths
    that a plain timm ViT does not have; channels within heads stay; which blocks go; everything about least_squares
    but its idea.
    """

    score: Literal["l2", "l1", "taylor", "random"] = "l2"
    score_images: int = 3200
    compensate: Literal["none", "least_squares"] = "none"
    images: int = 1024
    layers: Down = "spaced"
    at_start: ClassVar[tuple[str, ...]] = ("compensate", "images", "layers")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("score_images", "images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")

    def scores(self, ancestor: nn.Module, weights: Weights, lab: Lab | None) -> Scores:
        import torch

        spec = spec_of(ancestor)
        if self.score == "random":
            draw = generator(lab, "pruning")
            stream = torch.rand(spec.embed_dim, generator=draw)
            heads = [torch.rand(spec.num_heads, generator=draw) for _ in range(spec.depth)]
            return Scores(stream, heads, [torch.rand(spec.hidden_dim, generator=draw) for _ in range(spec.depth)])
        if self.score == "taylor":
            slopes = gradients(ancestor, lab, self.score_images)
            return amounts({name: (t * slopes[name].to(t)).abs() for name, t in weights.items()}, spec)
        power = 2 if self.score == "l2" else 1
        return amounts({name: t.abs() ** power for name, t in weights.items()}, spec)

    def built(self, weights: Weights, meta: Mapping[str, Any], target: VitSpec, lab: Lab | None) -> Weights:
        ancestor = VitSpec(**meta["ancestor"])
        narrow = reindex(weights, self.cut(ancestor, target))
        if self.compensate == "least_squares":
            narrow |= compensated(weights, ancestor, target, lab, self.images)
        return relayered(narrow, self.layers, ancestor.depth, target.depth, generator(lab, "shuffled"))


def gradients(ancestor: nn.Module, lab: Lab | None, images: int) -> dict[str, Tensor]:
    """The gradient of the cross entropy by name, summed over the mean of each 64 images, in evaluation mode."""
    import torch.nn.functional as F

    if lab is None:
        raise ValueError("score taylor looks at images: condense needs a lab")
    model = copy.deepcopy(ancestor).eval().requires_grad_(True).to(lab.device)
    for batch, labels in lab.batches(images, name="taylor", labels=True):
        with lab.meter("taylor"):
            (F.cross_entropy(model(batch), labels, reduction="sum") / BATCH).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def compensated(
    weights: Weights, ancestor: VitSpec, target: VitSpec, lab: Lab | None, images: int
) -> dict[str, Tensor]:
    """The weights of proj and fc2 of all blocks that lose inputs, [d', kept], fitted on what an ancestor's give."""
    import torch

    lost = {"attn.proj": target.embed_dim < ancestor.embed_dim, "mlp.fc2": target.hidden_dim < ancestor.hidden_dim}
    kept = {"attn.proj": target.embed_dim, "mlp.fc2": target.hidden_dim}
    at = [f"blocks.{i}.{module}" for i in range(ancestor.depth) for module in lost if lost[module]]
    if not at:
        return {}
    model = fresh_vit(ancestor, generator(lab, "pruning")).to(weights["pos_embed"].dtype)
    model.load_state_dict(model.state_dict() | dict(weights))
    moments: dict[str, Tensor] = {}

    def take(inputs: dict[str, Tensor]) -> None:
        for module in at:
            x = inputs[module].flatten(0, -2).double()
            moments[module] = moments.get(module, 0) + x.T @ x

    observe(model, lab, images, "least_squares", at, take)
    assert lab is not None  # observe raises without one
    result = {}
    with lab.meter("least_squares"):
        for module in at:
            places = torch.arange(kept[module.split(".", 2)[2]])
            weight = weights[f"{module}.weight"][: target.embed_dim]
            result[f"{module}.weight"] = least_squares(weight, moments[module], places)
    return result


def least_squares(weight: Tensor, moment: Tensor, kept: Tensor) -> Tensor:
    """The weight [out, kept] on the inputs `kept` that comes nearest to `weight` [out, in] on all inputs.

    moment: [in, in], sum or mean over tokens of x xᵀ; 1e-3 times the mean of its diagonal is added to its diagonal.
    """
    import torch

    moment, kept = moment.double(), kept.to(moment.device)
    moment = moment + 1e-3 * moment.diagonal().mean() * torch.eye(len(moment)).to(moment)
    wanted = weight.to(moment) @ moment[:, kept]
    return torch.linalg.solve(moment[kept][:, kept], wanted, left=False).to(weight)
