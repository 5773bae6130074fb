"""Where a picture takes a closer look."""

import pytest


def test_a_closer_look_is_taken_where_a_gap_squeezes_the_others():
    from bench.report.plots.canvas import upper

    means = [(40, 50), (92, 95), (94, 97), (96, 99)]
    assert upper(means, [(20, 80), (90, 97), (94, 97), (96, 100)]) == pytest.approx((89.4, 100.6))
    means = [(40, 50), (55, 60), (94, 97), (96, 99)]
    assert upper(means, means) == pytest.approx((93.7, 99.3))
    means = [(40, 50), (75, 82), (78, 84), (94, 97), (96, 99)]  # above the gap at 50 is one at 84
    assert upper(means, means) == pytest.approx((93.7, 99.3))
    means = [(40, 50), (99.4, 99.8), (99.5, 100)]  # a marker at 100 has room above
    assert upper(means, [(30, 60), (99, 101), (99, 102)]) == pytest.approx((98.94, 100.06))
    for means in (
        [(40, 50), (60, 70), (75, 80), (90, 99)],  # no gap takes three tenths of the axis
        [(40, 50), (45, 50), (98, 99)],  # one method alone needs no closer look
        [(40, 50), (98, 99)],
        [],
    ):
        assert upper(means, means) is None
