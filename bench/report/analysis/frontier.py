"""frontier.csv: mean accuracy against FLOPs for one target size, half of them and all.

The FLOPs of k sizes are fixed + k x per_size, as for break-even: what serves all sizes counts once, the rest by size.
The accuracy is the mean over all targets in each case. On the frontier is a label that no other one of its block beats
in both, by the numbers; dominated, one that a label of no more FLOPs is shown to be ahead of (see comparisons).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.report.analysis.break_even import fixed_and_per_size, stages_of
from bench.report.analysis.comparisons import AHEAD, ALL, BEHIND
from bench.report.analysis.means import over_targets
from bench.report.analysis.sections import Section

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = [
    "suite",
    "dataset",
    "block",
    "sizes",
    "of",
    "method",
    "flops",
    "top1",
    "low",
    "high",
    "on_frontier",
    "dominated_by",
]


def frontier(section: Section, totals: DataFrame, comparisons: DataFrame) -> DataFrame:
    """Return a row per number of sizes and label that has finished all targets and whose cost is known."""
    import pandas as pd

    ahead = _ahead(comparisons)
    every = len(section.targets)
    points = []
    for total in totals.to_dict("records"):
        mean = over_targets(section, total["method"])
        fixed, per_size = fixed_and_per_size(total, stages_of(section)[total["method"]], "flops", ancestor=True)
        if mean is not None and not math.isnan(fixed + per_size):
            points.append((total["method"], fixed, per_size, mean))
    block = {label: name for name, labels in section.blocks.items() for label in labels}
    rows = []
    for sizes in dict.fromkeys((1, math.ceil(every / 2), every)):
        flops = {label: fixed + sizes * per_size for label, fixed, per_size, _ in points}
        for label, _, _, (top1, low, high, _) in points:
            others = [(other, m.mean) for other, _, _, m in points if other != label and block[other] == block[label]]
            beaten = any(
                flops[other] <= flops[label] and m >= top1 and (flops[other], m) != (flops[label], top1)
                for other, m in others
            )
            better = [other for other, _ in others if flops[other] <= flops[label] and other in ahead.get(label, ())]
            where = [section.suite, section.dataset, block[label], sizes, every, label, flops[label], top1, low, high]
            rows.append([*where, not beaten, "; ".join(better)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _ahead(comparisons: DataFrame) -> dict[str, set[str]]:
    """label -> the labels that are shown to be ahead of it over all targets."""
    rows = comparisons[(comparisons["target"] == ALL) & (comparisons["metric"] == "top1")]
    ahead: dict[str, set[str]] = {}
    for a, b, verdict in zip(rows["method_a"], rows["method_b"], rows["verdict"], strict=True):
        if verdict in (AHEAD, BEHIND):
            winner, loser = (a, b) if verdict == AHEAD else (b, a)
            ahead.setdefault(loser, set()).add(winner)
    return ahead
