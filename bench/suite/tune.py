"""Learning rates that runs are chosen by, per method, from the validation part alone."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from bench.suite.strict import Strict

_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Tune(Strict):
    """Settings of the runs chosen per method by validation top-1, with the same candidates for all methods.

    Every candidate is one run per target and tuning seed; these are seeds that no reported run has. The rate with the
    best mean is taken.
    """

    lr: Annotated[list[_Rate], Field(min_length=2)]
    seed: _Seed = 1000
    seeds: Annotated[list[_Seed], Field(min_length=1)] | None = Field(
        default=None, description="tuning seeds, where there are several"
    )
    targets: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="names of the targets that rates are tried on; default, and where a label serves none: all",
    )
    widen: Annotated[int, Field(ge=0, le=8)] = Field(
        default=0,
        description="how often the grid may get another rate on the side where its outermost rate is the best one",
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if {"seed", "seeds"} <= self.model_fields_set:
            raise ValueError("expected either seed or seeds, found both")
        for key, values in (("lr", self.lr), ("seeds", self.seeds or []), ("targets", self.targets or [])):
            if len(set(values)) < len(values):
                raise ValueError(f"{key} lists one of them twice: {values}")
        rates = sorted(rate for grid in self.grids for rate in grid)
        for lower, higher in pairwise(rates):
            if self.widen and higher < lower * 1.05:
                raise ValueError(f"the rates {lower} and {higher} are too close to widen the grid by their ratio")
        return self

    @property
    def tuning_seeds(self) -> list[int]:
        """The seeds of the tuning runs."""
        return [self.seed] if self.seeds is None else self.seeds

    @property
    def grids(self) -> list[list[float]]:
        """The rates that are tried by all, then one below and one above for each time that the grid may be widened.

        Each is further out by the ratio of the two outermost, to three digits.
        """
        grids, rates = [list(self.lr)], sorted(self.lr)
        for _ in range(self.widen):
            lower, higher = rates[0] ** 2 / rates[1], rates[-1] ** 2 / rates[-2]
            grids.append([float(f"{lower:.3g}"), float(f"{higher:.3g}")])
            rates = sorted([*rates, *grids[-1]])
        return grids
