"""What all pictures share: theme, grids of panels, lines with intervals, one legend, files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from bench.files import write_bytes
from bench.report.format import counts
from bench.report.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

COLUMNS = 3  # panels side by side
PANEL = (3.1, 2.5)  # inches
LEGEND_ROW = 0.18  # inches
MOST_DETAILS = 3  # panels that there is room for beside a closer look
MOST_PANELS = 9  # the tables have the rest
WIDE = 0.3  # share of an axis that a gap takes to be worth a closer look above it
MOST_GAPS = 2
ANCESTOR = "ancestor's accuracy"  # in legends last: a reference, not a method
FORMATS = ("png", "pdf", "svg")
T = TypeVar("T")
Limits = tuple[float, float]


class Drawn(NamedTuple):
    """A picture, and what its caption says of this one in particular."""

    figure: Figure
    note: str = ""


def theme() -> AbstractContextManager[Any]:
    """Return the style of all pictures (paper.mplstyle) on the Agg canvas: 8 to 9 points, embedded fonts, reproducible
    files."""
    import matplotlib

    matplotlib.use("Agg")
    return matplotlib.rc_context(fname=Path(__file__).with_name("paper.mplstyle"))


def panels(
    count: int, *, columns: int = COLUMNS, size: tuple[float, float] = PANEL, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """Return (figure, axes): `count` panels in rows; a single one is wider. `kwargs` go to pyplot.subplots."""
    from matplotlib import pyplot

    columns = 2 if count == 4 else min(columns, count)
    rows = -(-count // columns)
    width, height = (4.6, 3.0) if count == 1 and size == PANEL else size
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False, layout="constrained", **kwargs
    )
    axes = grid.ravel().tolist()
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def beside(labels: Iterable[str], width: float) -> float:
    """Return inches that a panel needs so that its axes are `width` wide beside labels of rows."""
    return width + 0.066 * max(map(len, labels), default=0)


def views(details: Sequence[Limits | None]) -> tuple[Figure, list[tuple[int, Axes, Limits | None]]]:
    """Return (figure, [(part, axes, limits)]): a panel for every part of a picture and, where `details` has limits for
    it (see `upper`) and there is room, one beside it for a closer look, whose title is set."""
    paired = any(details) and len(details) <= MOST_DETAILS
    figure, axes = panels(len(details) * (1 + paired), columns=2 if paired else COLUMNS)
    shown: list[tuple[int, Axes, Limits | None]] = []
    for i, limits in enumerate(details):
        shown.append((i, axes[i * (1 + paired)], None))
        if paired and limits:
            shown.append((i, axes[2 * i + 1], limits))
            axes[2 * i + 1].set_title("the same, closer")
        elif paired:
            axes[2 * i + 1].remove()
    return figure, shown


def accuracies(
    titles: Sequence[str], details: Sequence[Limits | None], paint: Callable[[int, Axes], None], label: str
) -> Figure:
    """Return a picture of accuracies in percent: `paint` draws a part into a panel, and again into its closer look."""
    figure, shown = views(details)
    for i, axis, limits in shown:
        paint(i, axis)
        percent(axis)
        if limits:
            axis.set_ylim(limits)
        else:
            axis.set_title(titles[i])
        if leftmost(axis):
            axis.set_ylabel(label)
    legend(figure, [axis for _, axis, _ in shown])
    return figure


def leftmost(axes: Axes) -> bool:
    """Return whether a panel begins a row of its grid, and so names what the row's vertical axes show."""
    place = axes.get_subplotspec()
    return place is not None and place.is_first_col()


def line(axes: Axes, x: Any, mean: Any, low: Any, high: Any, look: Look, label: str, *, joined: bool = True) -> None:
    """Draw markers with error bars, joined by a line."""
    import numpy as np

    mean, low, high = (np.asarray(v, dtype=float) for v in (mean, low, high))
    bars = np.nan_to_num(np.stack([mean - low, high - mean]))
    axes.errorbar(
        x,
        mean,
        yerr=bars,
        label=label,
        color=look.colour,
        marker=look.marker,
        linestyle=look.dash if joined else "none",
        markerfacecolor="white" if look.hollow else look.colour,
        capsize=2,
        elinewidth=0.9,
    )


def legend(figure: Figure, axes: Iterable[Axes], columns: int = 4) -> None:
    """Draw one legend below all panels, each label once."""
    entries: dict[str, Any] = {}
    for axis in axes:
        for handle, label in sorted(
            zip(*axis.get_legend_handles_labels(), strict=True), key=lambda e: e[1] == ANCESTOR
        ):
            entries.setdefault(label, handle)
    if entries:
        longest = max(map(len, entries))
        columns = max(1, min(columns, int(figure.get_figwidth() * 16 // (longest + 7))))
        rows = -(-len(entries) // columns)
        figure.set_figheight(figure.get_figheight() + LEGEND_ROW * max(0, rows - 2))
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, frameon=False)


def percent(axis: Axes) -> None:
    """Show no room for what cannot be: an interval of few seeds may leave 0..100, the axis does not."""
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, -2), min(high, 102))


def upper(centres: Sequence[Limits], spans: Sequence[Limits]) -> Limits | None:
    """Return where the methods lie that are far above the others, which squeeze them into one line: the range for a
    panel that shows these alone. None where no gap takes three tenths of the axis, or fewer than two methods are above
    it. Where such a gap squeezes these again, it is the range of those above that one; no further, lest it tear ties
    apart.

    centres: (lowest, highest) mean of each method; spans: the same with the intervals.
    """
    order = sorted(range(len(centres)), key=lambda i: centres[i], reverse=True)
    chosen = order
    for _ in range(MOST_GAPS):
        chosen = chosen[: _far_above([centres[i] for i in chosen])]
    if len(chosen) == len(order):
        return None
    low, high = max(min(spans[i][0] for i in chosen), 0.0), min(max(spans[i][1] for i in chosen), 100.0)
    room = 0.06 * (high - low) or 0.5  # beyond 0 and 100 too: a marker there is whole
    return low - room, high + room


def _far_above(centres: Sequence[Limits]) -> int:
    """How many of the methods, from the highest down, are above the widest gap; all where it is not wide enough."""
    gaps = [
        min(low for low, _ in centres[:above]) - max(high for _, high in centres[above:])
        for above in range(1, len(centres))
    ]
    if not gaps:
        return len(centres)
    whole = max(high for _, high in centres) - min(low for low, _ in centres)
    above = gaps.index(max(gaps)) + 1
    return above if above > 1 and max(gaps) >= WIDE * whole else len(centres)


def seeds(summary: DataFrame) -> str:
    """Return the words "n = 3 seeds", over the rows of a summary that have any."""
    values = [int(n) for n in summary["n"] if n > 0]
    return f"n = {counts(values)} seed{'' if max(values, default=0) == 1 else 's'}"


def pick(parts: Sequence[T], most: int = MOST_PANELS) -> list[T]:
    """Return at most `most` of the parts, evenly picked, first and last among them."""
    if len(parts) <= most:
        return list(parts)
    return [parts[round(i * (len(parts) - 1) / (most - 1))] for i in range(most)]


def some_of(shown: Sequence[Any], every: Sequence[Any], what: str, rest: str) -> str:
    """Return the words of a caption that tell what was left out by `pick`, and which file has it; none where nothing
    was."""
    return "" if len(shown) == len(every) else f"Shown: {len(shown)} of {len(every)} {what}; {rest} has all."


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write name.png (200 dpi), name.pdf and name.svg, close the figure and return the paths."""
    from matplotlib import pyplot

    if engine := figure.get_layout_engine():
        engine.execute(figure)  # no more of a drawing than its layout
    figure.set_layout_engine(None)  # laid out once, the same in every format
    paths = []
    for kind in FORMATS:
        buffer = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
        paths.append(folder / f"{name}.{kind}")
        write_bytes(paths[-1], buffer.getvalue())
    pyplot.close(figure)
    return paths
