"""What is joined: the runs of one suite from one source, with their curves and training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame, Series

UNKNOWN_DEVICE = "a device that the table does not name"


@dataclass(frozen=True, eq=False)
class Part:
    """source: a name without blanks, which labels take after an @ where they have to be told apart. place: the file or
    folder. is_own: whether the user ran it, rather than read it from a table. The frames are conformed."""

    source: str
    place: str
    is_own: bool
    runs: DataFrame
    curves: DataFrame
    training: DataFrame

    @cached_property
    def suites(self) -> list[str]:
        return list(dict.fromkeys(self.runs["suite"]))

    @cached_property
    def done(self) -> DataFrame:
        return self.runs[self.runs["status"] == "done"]

    @cached_property
    def kind(self) -> str:
        """The kinds of device that its runs were done on; a part of several is a block of its own."""
        return ", ".join(sorted(set(kinds(self.done)))) or UNKNOWN_DEVICE

    def of_suite(self, suite: str) -> Part:
        """Return the runs of one of its suites."""
        runs = self.runs[self.runs["suite"] == suite].reset_index(drop=True)
        training = self.training[self.training["suite"] == suite]
        return Part(self.source, self.place, self.is_own, runs, self.curves, training)


def kinds(runs: DataFrame) -> Series:
    """Return the kind of device of each run: its model, else cpu or cuda."""
    kind = runs["device_name"].where(runs["device_name"] != "", runs["device"])
    return kind.where(kind != "", UNKNOWN_DEVICE)


def by_suite(parts: list[Part]) -> dict[str, list[Part]]:
    """Return what is joined with what: all, where each source has one suite; else those of one name."""
    if all(len(part.suites) == 1 for part in parts):
        return {" + ".join(dict.fromkeys(part.suites[0] for part in parts)): parts}
    names = list(dict.fromkeys(suite for part in parts for suite in part.suites))
    return {name: [part.of_suite(name) for part in parts if name in part.suites] for name in names}
