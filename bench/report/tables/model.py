"""What a table is: plain text in cells, which markdown.py, latex.py, terminal.py and the page render and escape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from bench.report.format import one_line

if TYPE_CHECKING:
    from bench.report.analysis.leading import LabelGroup

LONG = 120  # rows
MEMBER = "· "  # how a row begins in text that stands below a heading


@dataclass(frozen=True)
class Cell:
    """What a cell shows; on the page also a number to sort by, lines to unfold, and the runs behind it: words that the
    table of all runs is filtered by."""

    text: str
    bold: bool = False
    value: float | None = None
    details: list[str] | None = None
    runs: str = ""


def quoted(*words: str | Sequence[str]) -> str:
    """Return a filter for rows that have each of these as a cell, of several words one of them; none where a word has a
    quotation mark itself, or where there is none to choose from."""
    choices = [[word] if isinstance(word, str) else word for word in words]
    if not all(choices) or '"' in "".join(word for choice in choices for word in choice):
        return ""
    return " ".join("|".join(f'"{one_line(word)}"' for word in choice) for choice in choices)


def only(some: Sequence[str], every: Sequence[str]) -> list[Sequence[str]]:
    """Return what `quoted` takes to choose some of all: nothing where it is all of them."""
    return [list(dict.fromkeys(some))] if set(some) != set(every) else []


class Rows(NamedTuple):
    """Rows that follow each other, the first `shown` of them before one asks for the rest. heading: "" where they stand
    by themselves."""

    heading: str
    number: int
    shown: int


@dataclass(frozen=True)
class Table:
    """Header and rows of equal length; its parts all have the first `fixed` columns. Text may come from suites.

    groups: of all rows, in their order; none where all are shown, and by themselves.
    """

    title: str
    header: list[str]
    rows: list[list[Cell]]
    caption: str = ""
    notes: list[str] = field(default_factory=list)
    fixed: int = 1
    left: int = 1  # leading columns of words, the rest are figures
    groups: list[Rows] = field(default_factory=list)

    def kinds(self, row: list[Cell]) -> Iterator[tuple[Cell, str]]:
        """Yield each cell of a row with its kind on the page: words, best or none."""
        for cell in row[: self.left]:
            yield cell, "words"
        for cell in row[self.left :]:
            yield cell, "best" if cell.bold else ""

    @property
    def headed(self) -> bool:
        return any(group.heading for group in self.groups)

    def marked(self) -> Iterator[tuple[list[Cell], str, bool]]:
        """Yield each row with the heading that it stands below, and whether it is shown before one asks for it."""
        rows = iter(self.rows)
        for group in self.groups or [Rows("", len(self.rows), len(self.rows))]:
            for i in range(group.number):
                yield next(rows), group.heading, i < group.shown

    def grouped(self, groups: Sequence[LabelGroup]) -> Table:
        """Return this table with the rows of these labels together, in their order, and those of others in the end, on
        demand; as it is where it has no more labels than come first."""
        of_label: dict[str, list[list[Cell]]] = {}
        for row in self.rows:
            of_label.setdefault(row[0].text, []).append(row)
        if not groups or len(of_label) <= sum(group.shown for group in groups):
            return self
        rows, parts = [], []
        for group in groups:
            each = [of_label.pop(one_line(label), []) for label in group.labels]
            rows += [row for some in each for row in some]
            parts.append(Rows(one_line(group.name), sum(map(len, each)), sum(map(len, each[: group.shown]))))
        others = [row for some in of_label.values() for row in some]
        parts.append(Rows("", len(others), 0))
        return replace(self, rows=[*rows, *others], groups=[part for part in parts if part.number])

    def brief(self) -> Table:
        """Return this table as it is printed: of a long one only the rows that are shown first, headings as rows."""
        first = [row for row, _, shown in self.marked() if shown]
        if len(first) == len(self.rows) or len(self.rows) <= LONG:
            return self.plain()
        which = f"{len(first)} of {len(self.rows)} rows"
        which = f"{which}, of the labels that come first" if len(self.groups) > 1 else f"the first {which}"
        groups = [Rows(group.heading, group.shown, group.shown) for group in self.groups if group.shown]
        notes = [*self.notes, f"{which}: the page and the CSV file have all"]
        return replace(self, rows=first, notes=notes, groups=groups).plain()

    def plain(self) -> Table:
        """Return this table with its headings as rows, and all rows shown."""
        rows, left = [], iter(self.rows)
        for group in self.groups:
            some = [next(left) for _ in range(group.number)]
            if group.heading:
                rows.append([Cell(f"{group.heading}:"), *[Cell("")] * (len(self.header) - 1)])
                some = [[replace(row[0], text=MEMBER + row[0].text), *row[1:]] for row in some]
            rows += some
        return replace(self, rows=rows, groups=[]) if self.groups else self

    def without(self, names: set[str]) -> Table:
        """Return this table less the columns with these heads."""
        keep = [i for i, name in enumerate(self.header) if name not in names]
        return replace(
            self,
            header=[self.header[i] for i in keep],
            rows=[[row[i] for i in keep] for row in self.rows],
            fixed=sum(i < self.fixed for i in keep),
            left=sum(i < self.left for i in keep),
        )

    def split(self, room: int, padding: int = 3) -> list[Table]:
        """Return this table in parts of at most `room` characters, `padding` for each column; each has the fixed
        columns."""
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
            left=sum(k < self.left for k in keep),
        )
