"""Tables as LaTeX: `\\usepackage{booktabs,graphicx}` is all that a paper needs to \\input them. None is wider than the
text: one that would be is shrunk, and split where it would become too small to read."""

from __future__ import annotations

import re
import unicodedata

from bench.report.format import one_line
from bench.report.tables.model import Cell, Table

SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    "'": "'{}",
    "±": r"\ensuremath{\pm}",
    "·": r"\ensuremath{\cdot}",
    "×": r"\ensuremath{\times}",
    "∞": r"\ensuremath{\infty}",
    "→": r"\ensuremath{\to}",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "’": "'{}",
    "“": "``{}",
    "”": "''{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "ø": r"\o{}",
    "ł": r"\l{}",
    "\N{ZERO WIDTH SPACE}": "{}",
    "[": "{[}",  # no optional argument after \\
    "]": "{]}",
}
COMMANDS = str.maketrans(SPECIAL)
# combining mark -> the command of its accent
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327", "`'^~\"rvc", strict=True))
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}"  # no wider than the text
WIDTH = 110  # characters of a part of a table


def escape(text: str) -> str:
    """Return text that shows as it is: no command of LaTeX. Accented letters stay; what else is unknown becomes "?"."""
    apart = re.sub("-(?=-)", "-\N{ZERO WIDTH SPACE}", one_line(text))  # two of them are no dash
    escaped = apart.translate(COMMANDS)
    return escaped if escaped.isascii() else "".join(map(_character, escaped))


def _character(c: str) -> str:
    if c.isascii():
        return c
    base, *marks = list(unicodedata.normalize("NFD", c))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in ACCENTS:
        return f"\\{ACCENTS[marks[0]]}{{{base}}}"
    return "?"


def table(table: Table) -> str:
    """Return table environments, as many parts as the width needs; caption and notes under the last."""
    parts = table.brief().split(WIDTH, padding=2)
    return "\n".join(_part(part, last=part is parts[-1]) for part in parts)


def _part(table: Table, last: bool) -> str:
    columns = "l" * table.left + "r" * (len(table.header) - table.left)
    notes = [table.title + ".", *([table.caption, *(f"{note}." for note in table.notes)] if last else [])]
    lines = [
        r"\begin{table}",
        r"  \centering\small",
        f"  \\caption{{{' '.join(map(escape, notes))}}}",
        f"  {FIT}{{\\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape, table.header))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(_cell, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    return f"\\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
