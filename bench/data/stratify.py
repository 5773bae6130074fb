"""A part of a labelled set in which each class has its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def shares(class_counts: Sequence[int], fraction: float, *, exact_sum: bool = False) -> list[int]:
    """How many of each class make up `fraction` of the whole.

    Each class that has any gets at least one; the sum is the rounded fraction unless these minima exceed it
    (largest remainder, ties to the lower label). exact_sum: then larger classes give up what is too much, down to one.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, found {fraction}")
    exact = [fraction * n for n in class_counts]
    taken = [min(n, max(1, int(x))) for n, x in zip(class_counts, exact, strict=True)]
    missing = round(fraction * sum(class_counts)) - sum(taken)
    by_remainder = sorted(range(len(exact)), key=lambda c: (taken[c] - exact[c], c))
    for c in by_remainder[: max(0, missing)]:
        taken[c] = min(class_counts[c], taken[c] + 1)
    for _ in range(-missing if exact_sum else 0):
        several = [c for c in range(len(taken)) if taken[c] > 1]
        taken[max(several, key=lambda c: (taken[c] - exact[c], c))] -= 1
    return taken


def stratified_fraction(labels: Tensor, fraction: float, seed: int, *, exact_sum: bool = False) -> Tensor:
    """Indices (int64, ascending, CPU) of a `fraction` of `labels` [n], drawn without replacement within each class.

    A smaller fraction of the same seed is contained in a larger one, up to the rounding of shares.
    """
    import torch

    from bench.randomness import uniform

    labels = labels.cpu()
    counts = torch.bincount(labels)
    by_rank = uniform(seed, 0, torch.arange(len(labels)), 1)[:, 0].argsort(stable=True)
    by_class = by_rank[labels[by_rank].argsort(stable=True)]  # classes in turn, each in random order
    place = torch.arange(len(labels)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    share = torch.tensor(shares(counts.tolist(), fraction, exact_sum=exact_sum), dtype=torch.int64).repeat_interleave(
        counts
    )
    return by_class[place < share].sort().values
