"""break_even.csv: from how many target sizes on a method is cheaper than training each from scratch, equally well.

A method costs fixed + n x per_size for n sizes: an ancestor, teacher, learngene or tuning that serves all sizes is
fixed, those of one size or some count per size: more sizes take more. From scratch costs scratch_fixed +
n x scratch_per_size: a tuning that serves all sizes, and what random initialisation needs, along its learning curves,
to reach the accuracy that the method reaches at its end. Between two evaluations the curve is a straight line; the two
bracket what is needed, and so the break-even. Where no random run reaches it, all that the longest one cost is a lower
bound, the break-even an upper one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from bench.report.analysis.cost import OWN, paid, paid_apart
from bench.report.analysis.from_scratch import ENDS, UNITS, Scratch
from bench.report.analysis.reach import Evaluations, looks, scratch_labels
from bench.report.analysis.sections import Section, once
from bench.report.analysis.sums import for_all_sizes, fullest_seeds

if TYPE_CHECKING:
    from pandas import DataFrame

STAGES = ("ancestor", "learngene", "tuning")
OPPOSITE = ("", "_high", "_low")  # the dearer from scratch, the sooner a method pays off


def break_even(section: Section, curves: DataFrame, totals: DataFrame) -> DataFrame:
    """Return a row per method, unit and whether the ancestor counts: fixed, per_size, scratch_fixed, scratch_per_size
    and `break_even`, the last three with their brackets: {name}_low, {name}_high.

    break_even: the number of sizes (real) from which on the method is cheaper, until `cheaper_until`, which is finite
    where more is fixed from scratch and each size takes less there; 0 where it is never dearer before that; infinite
    where it is never cheaper; NaN where the bound does not tell. `verdict` says it in words. Only sizes that the method
    has finished count, and methods that are not themselves random initialisation. `scratch_is_bound`: no random run
    reaches the method at some size, so that what is from scratch is at least what it says, break_even at most.
    """
    import pandas as pd

    scratch = scratch_labels(section)
    runs, evaluations = paid(section), looks(section, curves)
    random = Scratch(
        runs[runs["method"].isin(scratch)], Evaluations.of(evaluations[evaluations["method"].isin(scratch)])
    )
    finals: dict[str, dict[tuple[str, int], float]] = {}
    for label, target, seed, top1 in zip(
        *(runs[name].tolist() for name in ("method", "target", "seed", "top1")), strict=True
    ):
        finals.setdefault(label, {})[target, seed] = top1
    rows = []
    for total in totals.to_dict("records"):
        if total["method"] in scratch:
            continue
        needed, bound = random.reaching(finals[total["method"]])
        stages = stages_of(section)[total["method"]]
        for unit in UNITS:
            for ancestor in (True, False):
                fixed, per_target = fixed_and_per_size(total, stages, unit, ancestor)
                row = {"method": total["method"], "unit": unit, "ancestor": "with" if ancestor else "without"}
                row |= {"targets": total["targets"], "fixed": fixed, "per_size": per_target}
                from_scratch = needed[unit]
                row |= {f"scratch_fixed{end}": from_scratch[end][0] for end in ENDS}
                row |= {f"scratch_per_size{end}": from_scratch[end][1] for end in ENDS}
                row["scratch_is_bound"] = bound
                where = [cheaper(fixed, per_target, *from_scratch[end], is_bound=bound) for end in OPPOSITE]
                row |= {f"break_even{end}": sizes.start for end, sizes in zip(ENDS, where, strict=True)}
                row |= {f"cheaper_until{end}": sizes.end for end, sizes in zip(ENDS, where, strict=True)}
                rows.append(row | {"verdict": verdict(*where, is_bound=bound)})
    frame = pd.DataFrame(rows)
    frame.insert(0, "suite", section.suite)
    frame.insert(1, "dataset", section.dataset)
    return frame


class Cheaper(NamedTuple):
    """Numbers of sizes (real) between which a method is cheaper: (inf, inf) for none, NaN where that is not known."""

    start: float
    end: float = math.inf


UNKNOWN, NEVER, ALWAYS = Cheaper(math.nan, math.nan), Cheaper(math.inf), Cheaper(0.0)


def cheaper(fixed: float, per_size: float, scratch_fixed: float, scratch_per_size: float, *, is_bound: bool) -> Cheaper:
    """Return the n where fixed + n per_size < scratch_fixed + n scratch_per_size; where both are always equal, all.

    is_bound: what is from scratch is at least that, so that the method is cheaper there at least.
    """
    more, saved = fixed - scratch_fixed, scratch_per_size - per_size
    if math.isnan(more + saved):
        return UNKNOWN
    if saved > 0:
        return Cheaper(max(0.0, more / saved))
    if more < 0 or more == saved == 0:
        return Cheaper(0.0, more / saved) if saved else ALWAYS
    return UNKNOWN if is_bound else NEVER


def verdict(sizes: Cheaper, low: Cheaper, high: Cheaper, *, is_bound: bool) -> str:
    """Return in words for how many sizes a method is cheaper; the bracket where its ends differ."""
    if math.isnan(sizes.start):
        return "cannot tell"
    if is_bound:
        return _in_words(sizes, is_bound=True)
    words, *ends = map(_in_words, (sizes, low, high))
    if ends[0] == ends[1]:
        return words
    if any(end.startswith("up") for end in ends):
        return f"{words} (bracket: {' or '.join('always' if end == 'from 1 size' else end for end in ends)})"
    return f"{words} (bracket {' to '.join(end.removeprefix('from ').partition(' ')[0] for end in ends)})"


def _in_words(sizes: Cheaper, *, is_bound: bool = False) -> str:
    first, last = max(1.0, _up(sizes.start)), _up(sizes.end) - 1
    if math.isinf(sizes.start) or last < first:
        return "never"
    n, bound = (first, "from") if math.isinf(last) else (last, "up to")
    if is_bound and (bound, n) != ("from", 1):  # there is nothing sooner than the first size
        bound += " at most" if bound == "from" else " at least"
    return f"{bound} {n:.0f} size{'' if n == 1 else 's'}"


def _up(sizes: float) -> float:
    return sizes if math.isinf(sizes) else math.ceil(sizes - 1e-9)


@once
def stages_of(section: Section) -> dict[str, dict[str, float]]:
    """Label -> {stage}_{unit} of what serves all sizes, and {stage}_{unit}_rest, which grows with their number."""
    import pandas as pd

    fullest = fullest_seeds(paid_apart(section))
    parts = [for_all_sizes(fullest, stage, [f"{stage}_{unit}" for unit in UNITS]) for stage in STAGES]
    return pd.concat(parts, axis=1).to_dict("index")


def fixed_and_per_size(total: dict, stages: dict[str, float], unit: str, ancestor: bool) -> tuple[float, float]:
    """(fixed, per size) cost of a method, from its row of totals and its stages."""
    alone = sum(total[f"{unit}_{part}"] for part in OWN)
    shared = [f"{stage}_{unit}" for stage in STAGES if ancestor or stage != "ancestor"]
    fixed, rest = (sum(stages[f"{name}{end}"] for name in shared) for end in ("", "_rest"))
    return fixed, (alone + rest) / total["targets"]
