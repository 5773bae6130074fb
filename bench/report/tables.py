"""Tables as the papers have them: methods down, sizes across, stored parameters and cost in front.

A `Table` is plain text in cells; markdown.py, latex.py, html.py and terminal.py render and escape it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench.report.format import UNKNOWN, counts, interval, one_line, si
from bench.report.sections import Section
from bench.report.statistics import FEW

if TYPE_CHECKING:
    from pandas import DataFrame, Series

LABELS = {"top1": "Test top-1 (%)", "best_top1": "Test top-1 (%) at the best validation epoch"}
LABELS |= {"top1_init": "Test top-1 (%) before the first training step"}
STATES = ("failed", "skipped", "missing")


@dataclass(frozen=True)
class Cell:
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """Header and rows of equal length; the first `fixed` columns stay when it is split. Text may come from suites."""

    title: str
    header: list[str]
    rows: list[list[Cell]]
    caption: str = ""
    notes: list[str] = field(default_factory=list)
    fixed: int = 1

    def split(self, room: int, padding: int = 3) -> list[Table]:
        """This table in parts of at most `room` characters, `padding` for each column; each has the fixed columns."""
        columns = zip(self.header, *([cell.text for cell in row] for row in self.rows), strict=True)
        widths = [max(map(len, column)) + padding for column in columns]
        parts: list[list[int]] = [[]]
        used = sum(widths[: self.fixed])
        for column, width in list(enumerate(widths))[self.fixed :]:
            if parts[-1] and used + width > room:
                parts.append([])
                used = sum(widths[: self.fixed])
            parts[-1].append(column)
            used += width
        return [self._part(columns, i, len(parts)) for i, columns in enumerate(parts, start=1)]

    def _part(self, columns: list[int], number: int, of: int) -> Table:
        if of == 1:
            return self
        keep = [*range(self.fixed), *columns]
        return replace(
            self,
            title=f"{self.title} (part {number} of {of})",
            header=[self.header[k] for k in keep],
            rows=[[row[k] for k in keep] for row in self.rows],
        )


def accuracy(
    section: Section, summary: DataFrame, totals: DataFrame, best: dict[str, str], metric: str = "top1"
) -> Table:
    """The table of one section and metric. `best`: target -> method in bold (see comparisons.winners)."""
    cells = {(row["method"], row["target"]): row for _, row in summary.iterrows()}
    costs = totals.set_index("method") if len(totals) else totals
    rows, notes = [], []
    for method in section.methods:
        of_method = [cells[method, target] for target in section.targets if (method, target) in cells]
        cost = costs.loc[method] if method in costs.index else None
        row = [Cell(text) for text in (one_line(method), counts([row["n"] for row in of_method]), *_front(cost))]
        for target in section.targets:
            cell = cells.get((method, target))
            row.append(Cell(_score(cell, metric), bold=best.get(target) == method))
            notes += _why(cell)
        rows.append(row)
    header = ["method", "n", "stored", "prepare", "init + train", "total", *_size_names(section)]
    few = sorted({int(n) for n in summary["n"] if n < FEW})
    if few:
        notes.insert(0, f"TOO FEW SEEDS in some cells (n = {', '.join(map(str, few))}): no claim can rest on them")
    return Table(f"{section.title}: {LABELS[metric]}", header, rows, _caption(section, summary, metric), notes, fixed=2)


def _front(cost: Series | None) -> list[str]:
    if cost is None:
        return [UNKNOWN] * 4
    prepare = cost["flops_ancestor"] + cost["flops_learngene"]
    each = cost["flops_init"] + cost["flops_train"]
    return [si(cost["stored_params"]), si(prepare), si(each), si(cost["flops_total"])]


def _score(cell: Series | None, metric: str) -> str:
    if cell is None:
        return "not planned"
    if not cell["n"]:
        return next((state for state in STATES if cell[state]), "missing")
    text = interval(cell[f"{metric}_mean"], cell[f"{metric}_low"], cell[f"{metric}_high"]) or UNKNOWN
    return text if cell["n"] == cell["planned"] else f"{text} ({cell['n']}/{int(cell['planned'])})"


def _why(cell: Series | None) -> list[str]:
    if cell is None or cell["n"] == cell["planned"]:
        return []
    states = ", ".join(f"{int(cell[state])} {state}" for state in STATES if cell[state])
    reasons = f": {cell['reasons']}" if cell["reasons"] else ""
    return [one_line(f"{cell['method']} at {cell['target']}: {states}{reasons}")]


def _size_names(section: Section) -> list[str]:
    """Short column heads: what varies between the targets."""
    sizes = section.sizes
    if section.axis == "embed_dim":
        return [f"d{width}" for width in sizes["embed_dim"]]
    if section.axis == "depth" and sizes["embed_dim"].nunique() == 1:
        return [f"L{depth}" for depth in sizes["depth"]]
    return section.targets


def _caption(section: Section, summary: DataFrame, metric: str) -> str:
    kinds = sorted({kind for kind in summary["interval"] if kind})
    how = " or ".join({"t": "Student's t", "BCa": "BCa bootstrap"}[kind] for kind in kinds) or "none: n < 2"
    fixed = [
        f"{name} {values[0]}" for name in ("embed_dim", "depth") if len(values := section.sizes[name].unique()) == 1
    ]
    where = f" All targets have {' and '.join(fixed)}." if fixed else ""
    return (
        f"{LABELS[metric]}, mean ± half width of the 95% interval ({how}) over n seeds.{where} "
        "Bold: better than every other method at 95% (paired by seed, Holm-corrected, n >= 3). "
        "stored: parameters that the method stores, head left out. Cost in FLOPs (1 MAC = 2 FLOPs) for all sizes: "
        "prepare = ancestor + learngene, counted once; total = prepare + init + train."
    )
