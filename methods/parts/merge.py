"""Several networks of one size made into one: rules for a tensor, and regression means. Imports torch.

A rule gets the tensors of one name, float64, the first being the base. Copies of one tensor give that tensor, bit for
bit: what is added to the base is made of differences from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Rule = Callable[[Sequence[Tensor]], Tensor]
State = dict[str, Tensor]


def by_tensor(states: Sequence[Mapping[str, Tensor]], rule: Rule) -> State:
    """The rule on the tensors of each name, in float64; keeps the dtype. Heads of other classes are left at the base's.

    The states have equal names, and equal shapes but for the head.
    """
    return {name: _merged([state[name] for state in states], rule) for name in states[0]}


def _merged(tensors: Sequence[Tensor], rule: Rule) -> Tensor:
    base = tensors[0]
    if any(t.shape != base.shape for t in tensors):
        return base.clone()
    return rule([t.double() for t in tensors]).to(base.dtype)


def differences(tensors: Sequence[Tensor]) -> list[Tensor]:
    """What the others have beyond the base."""
    return [t - tensors[0] for t in tensors[1:]]


def soup(tensors: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Their mean, or their sum by `weights`, which add up to 1."""
    weights = weights or [1 / len(tensors)] * len(tensors)
    result = tensors[0].clone()
    for weight, difference in zip(weights[1:], differences(tensors), strict=True):
        result += weight * difference
    return result


def stock(tensors: Sequence[Tensor]) -> Tensor:
    """Model Stock: between the base and the mean of the others, by the mean angle between what they learned.

    t mean + (1 - t) base with t = n cos / (1 + (n - 1) cos) in 0..1, cos the mean cosine of all pairs of differences, n
    how many. Fewer than two beside the base: the mean of all.
    """
    if len(tensors) < 3:
        return soup(tensors)
    learned = torch.stack(differences(tensors)).flatten(1)
    n = len(learned)
    units = learned / learned.norm(dim=1, keepdim=True).clamp(min=torch.finfo(learned.dtype).tiny)
    cosine = float((units @ units.T).triu(1).sum() / (n * (n - 1) / 2))
    t = min(max(n * cosine / (1 + (n - 1) * cosine), 0.0), 1.0) if cosine > 0 else 0.0
    return tensors[0] + t * learned.mean(0).view_as(tensors[0])


def breadcrumbs(tensors: Sequence[Tensor], scale: float, drop: float, keep: float) -> Tensor:
    """The base plus `scale` times the sum of the masked differences: of each row (last axis) the share `drop` that is
    largest by size is left out, then the share `keep`, largest of the rest, is kept (numbers rounded down)."""
    result = tensors[0].clone()
    for difference in differences(tensors):
        n = difference.shape[-1]
        order = difference.abs().argsort(dim=-1, descending=True, stable=True)
        chosen = order[..., int(n * drop) :][..., : int(n * keep)]
        mask = torch.zeros_like(difference).scatter_(-1, chosen, 1.0)
        result += scale * mask * difference
    return result


def emr(tensors: Sequence[Tensor]) -> Tensor:
    """EMR's unified net: the base plus, with the sign of the mean difference, the largest difference of that sign."""
    if len(tensors) == 1:
        return tensors[0]
    learned = torch.stack(differences(tensors))
    sign = learned.sum(0).sign()
    return tensors[0] + sign * (learned * sign).clamp(min=0).amax(0)


class SecondMoments:
    """X'X / rows of the inputs X of linear layers, by their names, in float64: `observe` hands over batches of X."""

    def __init__(self) -> None:
        self.sums: State = {}
        self.rows: dict[str, int] = {}

    def take(self, inputs: Mapping[str, Tensor]) -> None:
        for name, tensor in inputs.items():
            x = tensor.flatten(0, -2).double()
            self.sums[name] = self.sums.get(name, 0.0) + x.T @ x
            self.rows[name] = self.rows.get(name, 0) + len(x)

    def means(self) -> State:
        return {name: total / self.rows[name] for name, total in self.sums.items()}


def regression_mean(states: Sequence[Mapping[str, Tensor]], moments: Sequence[Mapping[str, Tensor]], a: float) -> State:
    """RegMean: of each linear weight W' = (sum G_i)^-1 sum G_i W_i', G_i the ancestor's own second moments with
    off-diagonals times `a`; of every other tensor the mean. One layer at a time; keeps the dtype."""
    result = by_tensor(states, soup)
    for layer in moments[0]:
        weights = [state[f"{layer}.weight"].double() for state in states]
        if any(w.shape != weights[0].shape for w in weights):
            continue
        grams = [a * m[layer] + (1 - a) * m[layer].diag().diag() for m in moments]
        right = sum(g @ d.T for g, d in zip(grams[1:], differences(weights), strict=True))
        if isinstance(right, Tensor):
            total = torch.stack(grams).sum(0)
            result[f"{layer}.weight"] = (weights[0] + solved(total, right).T).to(result[f"{layer}.weight"].dtype)
    return result


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """x with matrix x = right; the smallest of those that come nearest where the matrix is singular."""
    try:
        return torch.linalg.solve(matrix, right)
    except torch.linalg.LinAlgError:
        return torch.linalg.lstsq(matrix.cpu(), right.cpu(), driver="gelsd").solution.to(right.device)


def greedy(states: Sequence[State], accuracy: Callable[[State], float]) -> State:
    """The greedy soup: by accuracy, the best first, each is added to the mean if the accuracy of that rises."""
    scores = [accuracy(state) for state in states]
    order = sorted(range(len(states)), key=lambda i: -scores[i])
    chosen, best = [states[order[0]]], scores[order[0]]
    for i in order[1:]:
        score = accuracy(by_tensor([*chosen, states[i]], soup))
        if score > best:
            chosen, best = [*chosen, states[i]], score
    return by_tensor(chosen, soup)
