"""Labels of sizes along a panel: each where there is room for all, else those that no other reaches."""

import pytest

from bench.report.plots.accuracy_vs_size import apart


@pytest.mark.parametrize(
    ("places", "wide", "labelled"),
    [
        ([6.0], 1, [6.0]),
        (list(range(3, 13)), 2, list(range(3, 13))),
        ([192, 256, 320, 384, 448, 512, 576, 640, 704, 768], 3, [192, 256, 320, 384, 448, 512, 576, 640, 704, 768]),
        (list(range(1, 51)), 2, list(range(1, 51, 4))),
        ([1, 2, 3, 48, 49, 50], 2, [1, 48]),
        (list(range(30)), 2, list(range(0, 30, 3))),
    ],
)
def test_labels_that_would_lie_on_each_other_are_left_out(places, wide, labelled):
    assert [places[i] for i in apart(places, wide)] == labelled
