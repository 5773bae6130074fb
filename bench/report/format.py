"""Numbers as text for people: plain Unicode, escaped by whoever writes it into a format."""

from __future__ import annotations

import math
from collections.abc import Iterable

UNKNOWN = "?"
PREFIXES = " kMGTPEZYRQ"


def si(value: float | None, unit: str = "") -> str:
    """Return three significant digits with an SI prefix: 1253683200 -> "1.25 G", with unit "FLOPs" "1.25 GFLOPs"."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value == 0:
        return f"0 {unit}".strip()
    power = min(max(math.floor(math.log10(abs(value)) / 3), 0), len(PREFIXES) - 1)
    if abs(value) / 1000**power >= 999.5:
        power += 1
    scaled = value / 1000**power
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    if power == 0 and value == int(value):
        digits = 0
    return f"{scaled:.{digits}f} {PREFIXES[power].strip()}{unit}".strip()


def si_sum(values: Iterable[float]) -> str:
    """Return the sum of the values that are known; "+ ?" where others are not."""
    values = list(values)
    known = [value for value in values if not math.isnan(value)]
    if len(known) == len(values):
        return si(sum(values))
    return f"{si(sum(known))} + {UNKNOWN}" if any(known) else UNKNOWN


def tick(value: float) -> str:
    """Return what `si` does, without zeros at the end: for axes."""
    digits, _, prefix = si(value).partition(" ")
    return f"{float(digits):g} {prefix}".strip()


def hours(value: float | None) -> str:
    """Return a duration in its natural unit: "3.2 s", "4.0 min", "1.5 h"."""
    if value is None or math.isnan(value):
        return UNKNOWN
    seconds = value * 3600
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{value:,.1f} h"


def interval(mean: float, low: float, high: float, digits: int = 1) -> str:
    """Return mean and half the width of its interval: "93.1 ± 0.4"; the mean alone where there is no interval."""
    if math.isnan(mean):
        return ""
    if math.isnan(low):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {(high - low) / 2:.{digits}f}"


def number(value: float, digits: int = 1) -> str:
    """Return fixed digits; "?" for what is not known, "never" for infinity."""
    if math.isnan(value):
        return UNKNOWN
    return "never" if math.isinf(value) else f"{value:.{digits}f}"


def counts(values: list[int]) -> str:
    """Return one number where all are equal, else their range: "2-3"."""
    low, high = min(values, default=0), max(values, default=0)
    return str(low) if low == high else f"{low}-{high}"


def one_line(text: str) -> str:
    """Return text from outside without line breaks and control characters (a terminal would obey these)."""
    if text.isprintable() and "  " not in text:
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


def short(text: str, most: int = 28) -> str:
    """Return a label for a picture: one line, cut in the middle where it is longer."""
    text = one_line(text)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2 - 1) :]}"
