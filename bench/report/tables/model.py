"""What a table is: plain text in cells, which markdown.py, latex.py, terminal.py and the page render and escape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from bench.report.format import one_line

LONG = 120  # rows


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


@dataclass(frozen=True)
class Table:
    """Header and rows of equal length; its parts all have the first `fixed` columns. Text may come from suites.

    shown: rows that are shown before one asks for the rest; 0: all.
    """

    title: str
    header: list[str]
    rows: list[list[Cell]]
    caption: str = ""
    notes: list[str] = field(default_factory=list)
    fixed: int = 1
    left: int = 1  # leading columns of words, the rest are figures
    shown: int = 0

    def kinds(self, row: list[Cell]) -> Iterator[tuple[Cell, str]]:
        """Yield each cell of a row with its kind on the page: words, best or none."""
        for cell in row[: self.left]:
            yield cell, "words"
        for cell in row[self.left :]:
            yield cell, "best" if cell.bold else ""

    def beginning_with(self, names: Sequence[str]) -> Table:
        """Return this table with the rows of these names first, in their order, and the others after them on demand."""
        places = {one_line(name): i for i, name in enumerate(names)}
        rows = sorted(self.rows, key=lambda row: places.get(row[0].text, len(places)))
        first = sum(row[0].text in places for row in rows)
        return self if first == len(rows) else replace(self, rows=rows, shown=first)

    def brief(self) -> Table:
        """Return this table as it is printed: of a long one only the rows that are shown first."""
        if not self.shown or len(self.rows) <= LONG:
            return self
        note = f"the first {self.shown} of {len(self.rows)} rows: the page and the CSV file have all"
        return replace(self, rows=self.rows[: self.shown], notes=[*self.notes, note], shown=0)

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
