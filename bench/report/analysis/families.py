"""Families of tests: which pairs of labels are tested together, as the suite declared them or by default.

Holm's correction is within a family. By default there are two: methods against controls, and methods among themselves.
A family is filled when every run that it declares is done (what a method cannot do is none); until then it gives no
verdict, since the tests that are missing would change the correction of the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import TYPE_CHECKING

from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame, Series

CONTROLS, AMONG = "methods against controls", "methods among themselves"
FAILED = r"\w+ failed"  # how the reason begins of what is skipped because of something else


@dataclass(frozen=True)
class PairFamily:
    """Pairs (a, b) of labels, compared by a metric over some targets (all of the section where none is named).

    among: whether every label is compared with every other. margin: points within which two labels are level.
    left_out: how many of its runs the rows are known to leave out. uneven: whether its labels may have targets and
    seeds of their own: no suite declared it, or they come from several sources.
    """

    name: str
    pairs: tuple[tuple[str, str], ...]
    among: bool
    metric: str = "top1"
    targets: tuple[str, ...] = ()
    margin: float | None = None
    left_out: int = 0
    uneven: bool = False

    @cached_property
    def labels(self) -> list[str]:
        """Return what is compared, in the order of the suite, without what it is only compared with."""
        return list(dict.fromkeys(label for pair in self.pairs for label in (pair if self.among else pair[:1])))

    @cached_property
    def references(self) -> list[str]:
        """Return what labels are compared with; none where all are compared with each other."""
        return [] if self.among else list(dict.fromkeys(b for _, b in self.pairs))

    @property
    def title(self) -> str:
        """Return its name and how its p-values are corrected."""
        return f"{self.name}; Holm over {len(self.pairs)} pair{'' if len(self.pairs) == 1 else 's'}"

    def of(self, section: Section) -> list[str]:
        """Return the targets of a section that it is over."""
        return [target for target in section.targets if not self.targets or target in self.targets]


def families_of(section: Section) -> list[PairFamily]:
    """Return the families of a section: those that its suite declares, else the default ones that have any pair."""
    defaults = (_default(section, *labels) for labels in section.blocks.items())
    return declared(section) or [family for families in defaults for family in families if family.pairs]


def declared(section: Section) -> list[PairFamily]:
    """Return the families that the suite of a section declares."""
    text = next((text for text in section.runs["families"].unique() if text), "{}")
    return [_declared(name, entry) for name, entry in json.loads(text).items()]


def _default(section: Section, block: str, labels: list[str]) -> list[PairFamily]:
    methods = [label for label in labels if label not in section.controls]
    controls = [label for label in section.controls if label in labels]
    against = tuple((method, control) for control, method in product(controls, methods))
    where = f" on {block}" if len(section.blocks) > 1 else ""
    return [
        PairFamily(f"{AMONG}{where}", tuple(combinations(methods, 2)), True, uneven=True),
        PairFamily(f"{CONTROLS}{where}", against, False, uneven=True),
    ]


def _declared(name: str, entry: dict) -> PairFamily:
    among = entry.get("among", [])
    pairs = tuple(combinations(among, 2)) if among else tuple((a, entry["against"]) for a in entry["labels"])
    targets = tuple(entry.get("targets", ()))
    others = {key: entry[key] for key in ("metric", "margin", "left_out", "uneven") if key in entry}
    return PairFamily(name, pairs, bool(among), targets=targets, **others)


def missing(section: Section, family: PairFamily) -> str:
    """Return in words what keeps a family from being filled, or "": labels without a run, runs that are not there or
    not done. A label has the same seeds at each target, so that rows tell of some that are not there."""
    labels = [*family.labels, *family.references]
    absent = [label for label in labels if label not in section.methods]
    runs = section.runs[section.runs["method"].isin(labels) & section.runs["target"].isin(family.of(section))]
    seeds = runs.groupby("method", sort=False)["seed"].nunique().sum()
    gone = family.left_out or (0 if family.uneven else int(seeds) * runs["target"].nunique() - len(runs))
    runs = runs[~cannot(runs)]
    left = int((runs["status"] != "done").sum())
    words = [f"no run of {', '.join(absent)}"] if absent else []
    words += [f"no target {target}" for target in family.targets if target not in section.targets]
    words += [f"{gone} runs are not among these"] if gone else []
    return "; ".join([*words, f"{left} of {len(runs)} runs are not done"] if left else words)


def cannot(runs: DataFrame) -> Series:
    """Return which runs are skipped since a method cannot do them, and not because of something that failed."""
    return runs["status"].eq("skipped") & ~runs["reason"].str.match(FAILED)
