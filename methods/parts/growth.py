"""Growth rules of template mixing: which bank a new weight uses, and with which coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Mode = Literal["orthogonal", "copy", "random", "zero"]


def block_sources(depth: int, seed_depth: int) -> list[int]:
    """The seed block whose bank each of `depth` target blocks uses: floor(i * seed_depth / depth).

    A target no deeper than the seed takes the seed's first blocks.
    """
    return [i * seed_depth // max(depth, seed_depth) for i in range(depth)]


def new_blocks(sources: Sequence[int]) -> list[int]:
    """The target blocks that are new: the first one with a given source is the seed's own block."""
    return [i for i, source in enumerate(sources) if source in sources[:i]]


def least_covered(used: Tensor, draw: torch.Generator) -> Tensor:
    """The unit vector [T] that the rows of `used` [n, T] cover least; it is orthogonal to all if their rank is below T.

    Where one direction is covered least, that: the last right-singular vector, of the sign that makes its entry of
    largest magnitude positive. Where several are not covered at all, their part of a normal vector from `draw`: which
    vectors complete a null space is the linear algebra library's choice.
    """
    _, covered, directions = torch.linalg.svd(used.double(), full_matrices=True)
    rank = int((covered > covered.max() * max(used.shape) * torch.finfo(used.dtype).eps).sum())
    if used.shape[1] - rank < 2:
        direction = directions[-1]
        return (direction * direction[direction.abs().argmax()].sign()).to(used.dtype)
    direction = torch.randn(used.shape[1], generator=draw, dtype=torch.float64).to(directions)
    for _ in range(2):  # the second time for what rounding leaves of the first
        direction = direction - directions[:rank].T @ (directions[:rank] @ direction)
        direction = direction / direction.norm()
    return direction.to(used.dtype)


@dataclass
class CoefficientRule:
    """How a new coefficient vector comes out of those in use.

    mode, scale, norm: the options `coefficients`, `noise_scale` and `norm` of `MixtureGrowth`.
    crowded: how many directions were asked for where as many vectors were in use as there are templates.
    """

    mode: Mode
    scale: float
    norm: Literal["mean", "unit"]
    generator: torch.Generator
    crowded: int = 0

    def __call__(self, base: Tensor, trained: Tensor, added: Sequence[Tensor] = ()) -> Tensor:
        """A new vector [T] beside those in use: `trained` [n, T], whose norms count, and `added` ones (each [T]).

        `base` [T] is what `copy` starts from.
        """
        if self.mode == "zero":
            return torch.zeros_like(base)
        if self.mode == "copy":
            return base + self.noise(trained)
        if self.mode == "random":
            return self.size(trained) * self.positive(base)
        rows = torch.stack([*trained, *added])
        self.crowded += len(rows) >= base.numel()
        return self.size(trained) * least_covered(rows, self.generator)

    def noise(self, trained: Tensor) -> Tensor:
        """What `copy` adds to a vector [T]: of positive entries, as the reference's."""
        positive = self.positive(trained[0])
        return self.size(trained) * positive / positive.norm()

    def size(self, trained: Tensor) -> Tensor | float:
        return self.scale * (trained.norm(dim=1).mean() if self.norm == "mean" else 1.0)

    def positive(self, like: Tensor) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(like.numel(), generator=self.generator).to(like)


def depth_coefficients(seed: Tensor, sources: Sequence[int], group_size: int, rule: CoefficientRule) -> Tensor:
    """Coefficients [n, T] of the new blocks, in order, from the seed's [L, T]."""
    trained = seed.split(group_size)
    added: list[list[Tensor]] = [[] for _ in trained]
    grown = []
    for block in new_blocks(sources):
        bank = sources[block] // group_size
        grown.append(rule(seed[sources[block]], trained[bank], added[bank]))
        added[bank].append(grown[-1])
    return torch.stack(grown) if grown else seed.new_zeros(0, seed.shape[1])


def width_coefficients(members: Tensor, group_size: int, rule: CoefficientRule) -> Tensor:
    """Coefficients [2, L, T] of the top-right blocks (bank of member 0) and bottom-left blocks (bank of member 1).

    `members` [2, L, T] are the trained ones. In use are those of the same bank; where these leave room (T - 1 vectors
    at most), also the other ones of the same layer, which the reference counts.
    """
    _, depth, templates = members.shape
    grown = torch.zeros_like(members)
    for block in range(depth):
        start = block // group_size * group_size
        others = [members[1, block]]
        for member in (0, 1):
            trained, added = members[member, start : start + group_size], list(grown[member, start:block])
            room = max(0, templates - 1 - len(trained) - len(added))
            grown[member, block] = rule(members[member, block], trained, added + others[:room])
            others = [members[0, block], grown[0, block]]
    return grown


def reference_coefficients(members: Tensor, skipped: Tensor, rule: CoefficientRule) -> Tensor:
    """As `width_coefficients` by the reference's rule, layer by layer, whichever bank a vector belongs to.

    orthogonal: top-right keeps `skipped` [L, T], what it was built with; only bottom-left is made, against the three
    others of its layer. copy: one noise vector for both. random and zero: each anew.
    """
    layers = []
    for pair, first in zip(members.unbind(1), skipped, strict=True):
        if rule.mode == "orthogonal":
            layers.append(torch.stack([first, rule(pair[1], pair, [first])]))
        elif rule.mode == "copy":
            layers.append(pair + rule.noise(pair))
        else:
            layers.append(torch.stack([rule(vector, pair) for vector in pair]))
    return torch.stack(layers, dim=1)
