"""Tables as Markdown."""

from __future__ import annotations

from bench.report.format import one_line
from bench.report.tables.model import Table

ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {c: f"\\{c}" for c in "\\`*_[]|~$"})


def escape(text: str) -> str:
    """Return text that shows as it is: neither markup nor HTML nor a new cell."""
    return one_line(text).translate(ESCAPES)


def table(table: Table) -> str:
    """Return a pipe table with its title, caption and notes."""
    table = table.brief()
    lines = [f"### {escape(table.title)}", "", "| " + " | ".join(map(escape, table.header)) + " |"]
    lines.append("| " + " | ".join([":--"] * table.left + ["--:"] * (len(table.header) - table.left)) + " |")
    for row in table.rows:
        cells = (f"**{escape(cell.text)}**" if cell.bold else escape(cell.text) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", escape(table.caption)] if table.caption else []
    lines += ["", *(f"- {escape(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def answer(title: str, sentences: list[tuple[str, str]]) -> str:
    """Return a list of sentences, each with the family that it was tested in."""
    lines = [f"- {escape(text)}{f' *({escape(family)})*' if family else ''}" for text, family in sentences]
    return "\n".join([f"### {escape(title)}: what this shows", "", *lines]) + "\n"
