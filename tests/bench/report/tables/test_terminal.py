"""The table on a terminal."""

import io

import pytest
from rich.console import Console

from bench.report import print_table


@pytest.mark.parametrize("width", [40, 80, 120, 250])
def test_the_terminal_table_is_never_wider_than_the_terminal(make_frames, width):
    runs, _ = make_frames(depths=(2, 4, 6, 8, 10))
    runs.loc[0, ["status", "error"]] = ["failed", "[bold]boom[/bold] \x1b[31m" + "x" * 300]
    out = io.StringIO()
    print_table(runs, Console(file=out, width=width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    words = " ".join(text.split())
    for expected in ("[bold]boom[/bold]", "wave", "L10", "(2/3)", "stored", "total", "± "):
        assert expected in words
