"""Accuracy as the papers have it: methods down, sizes across, stored parameters and cost in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.analysis.cautions import heads_left_behind
from bench.report.analysis.cost import OWN, PARTS, SHARED
from bench.report.analysis.sections import Section, finished_first, once, own_recipe
from bench.report.analysis.statistics import ENOUGH, FEW, intervals
from bench.report.format import UNKNOWN, counts, interval, one_line, si, si_sum
from bench.report.tables.across import notes as origin_notes
from bench.report.tables.across import sources
from bench.report.tables.model import Cell, Table, quoted
from bench.report.tables.notes import STATES, partial, unfinished
from bench.words import listed

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LABELS = {"top1": "Test top-1 (%)", "best_top1": "Test top-1 (%) at the best validation epoch"}
LABELS |= {"top1_init": "Test top-1 (%) before the first training step"}
SETTING = [
    "status",
    "caution",
    "control",
    "budget",
    "head",
    "head_used",
    "stored_params_head",
    "epochs",
    "tune",
    "options",
]
BOLD = (
    "Bold: ahead of every other label of its column at 95% (paired t-tests by seed, Holm-corrected within the families "
    f"of tests, at least {FEW} seeds). "
)


def accuracy(
    section: Section, summary: DataFrame, totals: DataFrame, best: dict[str, str] | None, metric: str = "top1"
) -> Table:
    """Return the table of one section and metric. `best`: target -> method in bold (see comparisons.winners), None
    where no family of tests is of this metric."""
    cells = {(row["method"], row["target"]): row for row in summary.to_dict("records")}
    costs = totals.set_index("method") if len(totals) else totals
    settings = {method: setting(section, method) for method in section.methods}
    shown = any(settings.values())
    origins = sources(section)
    rows, planned = [], []
    for method in section.methods:
        of_method = [cells[method, target] for target in section.targets if (method, target) in cells]
        cost = costs.loc[method] if method in costs.index else None
        words = [*([origins[method]] if origins else []), *([settings[method]] if shown else [])]
        front = [one_line(method), *words, counts([row["n"] for row in of_method])]
        runs = [section.suite, method, section.dataset]
        row = [Cell(text, runs=quoted(*runs)) for text in (*front, *_front(cost))]
        for target in section.targets:
            cell = cells.get((method, target))
            row.append(Cell(_score(cell, metric), bold=(best or {}).get(target) == method, runs=quoted(*runs, target)))
        rows.append(row)
        planned += of_method
    header = [
        "method",
        *(["source"] if origins else []),
        *(["setting"] if shown else []),
        "n",
        "stored",
        "prepare",
        "init + train",
        "total",
        *_size_names(section),
    ]
    notes = unfinished(section, planned)
    if metric != "top1" and notes:
        notes = [f"what is not finished, and why: see {section.title}: {LABELS['top1']}"]
    notes = [*origin_notes(section), *_cautions(section), *_few(summary["n"]), *notes, *partial(section, totals)]
    caption = _caption(section, summary, totals, metric, tested=best is not None)
    title = f"{section.title}: {LABELS[metric]}"
    left = 1 + shown + bool(origins)
    return Table(title, header, rows, caption, notes, fixed=left + 1, left=left)


def _cautions(section: Section) -> list[str]:
    """What has to be known of methods beside their results: the word that their setting says, and why."""
    first = section.runs[["method", "caution"]][section.runs["caution"] != ""].drop_duplicates("method")
    return [
        one_line(f"{caution.partition(':')[0]} ({listed(labels.tolist())}):{caution.partition(':')[2]}")
        for caution, labels in first.groupby("caution", sort=False)["method"]
    ]


def _few(seeds: Series) -> list[str]:
    few, some = (sorted({int(n) for n in seeds if low <= n < high}) for low, high in ((1, FEW), (FEW, ENOUGH)))
    words = (
        (few, "TOO FEW SEEDS", "no claim can rest on them"),
        (some, "FEW SEEDS", "intervals assume normal scatter"),
    )
    return [f"{what} in some cells (n = {', '.join(map(str, n))}): {why}" for n, what, why in words if n]


def setting(section: Section, method: str) -> str:
    """Return what a label has other than most: caution, control, budget, head, epochs, tuning, recipe; empty for the
    plain case."""
    return _settings(section)[method]


@once
def _settings(section: Section) -> dict[str, str]:
    """Label -> what `setting` says of it, by its first finished run, else its first."""
    runs = section.runs[["method", *SETTING]]
    first = finished_first(runs).drop_duplicates("method")
    usual, behind = runs["epochs"].mode().tolist(), set(runs.loc[heads_left_behind(runs), "method"])
    return {row["method"]: _setting(row, usual, row["method"] in behind) for row in first.to_dict("records")}


def _setting(run: dict[str, Any], usual: list[float], behind: bool) -> str:
    """usual: numbers of epochs that most runs have. behind: whether any head was left behind."""
    parts = [run["caution"].partition(":")[0], run["control"] and f"control: {run['control']}"]
    parts.append("" if run["budget"] in ("", "epochs") else f"equal {run['budget']} budget")
    parts.append("fresh head" if run["head"] == "fresh" or behind else "")
    parts.append("" if run["epochs"] != run["epochs"] or run["epochs"] in usual else f"{run['epochs']:g} epochs")
    parts.append("tuned lr" if run["tune"] else "")
    if others := sorted(set(own_recipe(run["options"])) - {"epochs", "steps", "eval_every", "looks"}):
        parts.append(f"runs with their own {listed(others)}")
    return one_line(", ".join(part for part in parts if part))


def _front(cost: Series | None) -> list[str]:
    if cost is None:
        return [UNKNOWN] * 4
    parts = [[cost[f"flops_{part}"] for part in group] for group in (SHARED, OWN, PARTS)]
    return [si(cost["stored_params"]), *map(si_sum, parts)]


def _score(cell: dict[str, Any] | None, metric: str) -> str:
    if cell is None:
        return "not planned"
    if not cell["n"]:
        return next((state for state in STATES if cell[state]), "missing")
    text = interval(cell[f"{metric}_mean"], cell[f"{metric}_low"], cell[f"{metric}_high"]) or UNKNOWN
    return text if cell["n"] == cell["planned"] else f"{text} ({cell['n']}/{int(cell['planned'])})"


def _size_names(section: Section) -> list[str]:
    """Short column heads: what varies between the targets."""
    sizes = section.sizes
    if section.axis == "embed_dim":
        return [f"d{width}" for width in sizes["embed_dim"]]
    if section.axis == "depth" and sizes["embed_dim"].nunique() == 1:
        return [f"L{depth}" for depth in sizes["depth"]]
    return section.targets


def _caption(section: Section, summary: DataFrame, totals: DataFrame, metric: str, *, tested: bool) -> str:
    kinds = sorted({kind for kind in summary["interval"] if kind})
    how = " or ".join({"t": "Student's t", "BCa": "BCa bootstrap"}[kind] for kind in kinds) or "none: n < 2"
    fixed = [
        f"{name} {values[0]}" for name in ("embed_dim", "depth") if len(values := section.sizes[name].unique()) == 1
    ]
    equal = " ± 0.0: the same at every seed." if (summary[f"{metric}_std"] == 0).any() else ""
    values = intervals(np.reshape(section.ancestors, (-1, 1)))
    ancestor = (
        f" The ancestor's own is {interval(values.mean[0], values.low[0], values.high[0])} (n = {values.n[0]})."
        if len(section.ancestors) and metric == "top1"
        else ""
    )
    tuned = " + tuning runs" if len(totals) and totals["tunings"].any() else ""
    where = f" All targets have {listed(fixed)}." if fixed else ""
    return (
        f"{LABELS[metric]}, mean ± half width of the 95% interval ({how}) over n seeds.{where}{ancestor} "
        "Seeds share the test images, or most of them where the data set has `rest: test`: intervals say nothing about "
        f"other images.{equal} "
        f"{BOLD if tested else ''}"
        "stored: parameters that the method stores, head left out. Cost in FLOPs (1 MAC = 2 FLOPs) for all sizes: "
        f"prepare = ancestor + learngene{tuned}, counted once; total = prepare + init + train."
    )
