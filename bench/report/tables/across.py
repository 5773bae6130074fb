"""Joined results: where rows are from, how far devices shift numbers, and labels compared through shared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.analysis.across import pairs
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import FEW
from bench.report.format import interval, one_line
from bench.report.tables.model import Cell, Rows, Table, quoted
from bench.words import listed

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis

MARK = "†"
MOST = 60  # rows that are shown before one asks for the rest


def sources(section: Section) -> dict[str, str]:
    """Return label -> the sources of its rows, with a mark where they are of another block than the user's, or than
    those of the first label; empty where nothing was joined."""
    of_label: dict[str, list[str]] = {}
    for source, labels in section.sources.items():
        for label in labels:
            of_label.setdefault(label, []).append(source)
    other = {label for block, labels in section.blocks.items() if block != home(section) for label in labels}
    return {label: one_line(f"{', '.join(names)}{f' {MARK}' * (label in other)}") for label, names in of_label.items()}


def home(section: Section) -> str:
    """Return the block of the user's own rows, else of the first."""
    own_labels = [label for source, labels in section.sources.items() if source.endswith("(own)") for label in labels]
    return next(
        (block for block, labels in section.blocks.items() if set(own_labels) & set(labels)), next(iter(section.blocks))
    )


def notes(section: Section) -> list[str]:
    """Return what the marks of `sources` mean."""
    if len(section.blocks) < 2:
        return []
    others = [f"{listed(labels)}: {block}" for block, labels in section.blocks.items() if block != home(section)]
    words = f"{MARK} on another kind of device, or of another setting, than {home(section)}: {'; '.join(others)}"
    return [one_line(f"{words}. Seeds do not pair between them")]


def apart(section: Section) -> list[str]:
    """Return in words between which blocks nothing can be compared."""
    block_pairs = pairs(section)
    tied = {frozenset((pair.a, pair.b)) for pair in block_pairs if pair.shared}
    blocks = list(section.blocks)
    return [
        f"Between {a} and {b} nothing is compared: they have no label in common whose runs are the same."
        for i, a in enumerate(blocks)
        for b in blocks[i + 1 :]
        if frozenset((a, b)) not in tied
    ]


def shift(analysis: Analysis) -> Table:
    """Return how far the same runs lie apart on two kinds of device."""
    section = analysis.section
    rows = []
    for row in analysis.shift.to_dict("records"):
        points = interval(row["shift"], row["low"], row["high"], digits=2)
        names = dict.fromkeys([row["method_a"], row["method_b"]])
        texts = [" and ".join(names), row["block_a"], row["block_b"], points, str(row["n"]), str(row["cells"])]
        runs = quoted(section.suite, list(names), section.dataset)
        rows.append([Cell(one_line(text), runs=runs) for text in texts])
    header = ["label", "from", "to", "shift (points)", "n", "targets"]
    caption = (
        "Test top-1 of runs of the same identity, done on two kinds of device: the second less the first, mean over "
        "targets, with its 95% interval over seeds. It is what rounding makes of the same work."
    )
    return Table(f"{section.title}: shift between devices", header, rows, caption, left=3)


def across(analysis: Analysis) -> Table:
    """Return labels of one kind of device against those of another, through shared ones."""
    section = analysis.section
    rows = []
    for row in analysis.across.to_dict("records"):
        pair = [row["method_a"], row["method_b"]]
        runs = quoted(section.suite, pair, section.dataset)
        verdict = row["verdict"] if min(row["n_a"], row["n_b"]) >= FEW else "too few seeds"
        p = row["p_holm"]
        texts = [*pair, interval(row["difference"], row["low"], row["high"], digits=2), f"{row['n_a']}, {row['n_b']}"]
        texts += [str(row["cells"]), "" if p != p else "< 0.0001" if p < 1e-4 else f"{p:.4f}", verdict]
        rows.append([Cell(one_line(text), runs=runs) for text in texts])
    header = ["method", "minus", "difference (points)", "n", "targets", "p (Holm)", "verdict"]
    caption = (
        "Indirect comparisons: each label less the mean of the labels that both devices have run, there and at the "
        "same seeds; then one less the other, by Welch's t-test over seeds, Holm-corrected. They hold as far as the "
        "shift between the devices is about the same for all labels, which the table of shifts shows."
    )
    through = analysis.across["through"].drop_duplicates().tolist() if len(rows) else []
    lines = [one_line(f"through {labels}") for labels in through]
    groups = [Rows("", len(rows), MOST)] if len(rows) > MOST else []
    return Table(f"{section.title}: across devices", header, rows, caption, lines, fixed=2, left=2, groups=groups)
