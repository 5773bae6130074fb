"""Numbers as text, and text from outside."""

import math

import pytest

from bench.report import format


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (650, "650"), (999.6, "1.00 k"), (40_000, "40.0 k"), (1_253_683_200, "1.25 G"), (4.6e18, "4.60 E"),
        (math.nan, "?"), (0.5, "0.50"), (999_999, "1.00 M"),
    ],
)  # fmt: skip
def test_si(value, text):
    assert format.si(value) == text


def test_other_numbers():
    assert format.si(1.5e12, "FLOPs") == "1.50 TFLOPs"
    assert (format.tick(2e12), format.tick(500e9), format.tick(0)) == ("2 T", "500 G", "0")
    assert [format.hours(h) for h in (0.001, 0.05, 2, 1234.5, math.nan)] == [
        "3.6 s",
        "3.0 min",
        "2.0 h",
        "1,234.5 h",
        "?",
    ]
    assert format.interval(93.14, 92.0, 94.0) == "93.1 ± 1.0"
    assert format.interval(93.14, math.nan, math.nan) == "93.1"
    assert [format.si_sum(v) for v in ([1e9, 2e9], [1e9, math.nan], [math.nan], [0.0, math.nan])] == [
        "3.00 G", "1.00 G + ?", "?", "?"
    ]  # fmt: skip
    assert format.counts([3, 3]) == "3"
    assert format.counts([1, 3]) == "1-3"


def test_text_from_outside_is_one_printable_line():
    assert format.one_line("a\n b\t\x1b[31mred\x00") == "a b \ufffd[31mred\ufffd"
    assert len(format.short("x" * 100)) == 28
