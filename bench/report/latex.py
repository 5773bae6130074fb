"""Tables as LaTeX with booktabs: `\\usepackage{booktabs}` is all that a paper needs to \\input them."""

from __future__ import annotations

from bench.report.format import one_line
from bench.report.tables import Cell, Table

SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "∞": r"\ensuremath{\infty}",
    "[": "{[}",  # no optional argument after \\
    "]": "{]}",
}
WIDTH = 110  # characters of a part of a table


def escape(text: str) -> str:
    """Text that shows as it is: no command of LaTeX. Characters outside ASCII and the table above become "?"."""
    escaped = "".join(SPECIAL.get(c, c if c.isascii() else "?") for c in one_line(text))
    return escaped.replace("--", "-{}-")  # no ligature


def table(table: Table) -> str:
    """table environments, as many parts as the width needs; caption and notes under the last."""
    parts = table.split(WIDTH, padding=2)
    return "\n".join(_part(part, last=part is parts[-1]) for part in parts)


def _part(table: Table, last: bool) -> str:
    columns = "l" * table.left + "r" * (len(table.header) - table.left)
    notes = [table.title + ".", *([table.caption, *(f"{note}." for note in table.notes)] if last else [])]
    lines = [
        r"\begin{table}",
        r"  \centering\small",
        f"  \\caption{{{' '.join(map(escape, notes))}}}",
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {' & '.join(map(escape, table.header))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(_cell, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cell(cell: Cell) -> str:
    return f"\\textbf{{{escape(cell.text)}}}" if cell.bold else escape(cell.text)
