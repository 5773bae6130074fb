"""Numbers as text, looks of labels, tables as Markdown and LaTeX, published numbers."""

import math
from collections import Counter

import pytest

from bench.report import format
from bench.report.analysis.published import matching, one_spelling, published
from bench.report.analysis.sections import sections
from bench.report.analysis.statistics import Ranking
from bench.report.plots.critical_difference import groups
from bench.report.style import FIXED, SETTLED, looks
from bench.report.tables import latex, markdown
from bench.report.tables.accuracy import setting
from bench.report.tables.model import Cell, Table
from methods import registry


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


def test_the_recipe_of_a_label_is_listed_with_commas(make_frames):
    runs, _ = make_frames(methods=("random", "wave"))
    runs.loc[runs["method"] == "wave", "options"] = '{"runs": {"mixup": 0.2, "lr": 1, "weight_decay": 0, "epochs": 9}}'
    (section,) = sections(runs)
    assert setting(section, "wave") == "runs with their own lr, mixup and weight_decay"


def test_looks_are_fixed_and_differ():
    plain_look = looks({"wave": "wave"})["wave"]
    assert (plain_look.colour, plain_look.marker, plain_look.hollow) == (*FIXED["wave"], False)
    uses = {name: name for name in FIXED} | {f"wave{i}": "wave" for i in range(20)}
    uses |= {f"own{i}": f"pack:Own{i}" for i in range(10)} | {"tleg": "tleg"}
    many = looks(uses)
    assert len(set(many.values())) == len(uses)
    assert many["wave"] == plain_look
    assert {many[f"wave{i}"].colour for i in range(20)} == {plain_look.colour}  # variants keep their method's colour


def test_the_methods_that_ship_share_no_colour_with_many():
    many = looks({name: name for name in SETTLED})
    assert max(Counter(look.colour for look in many.values()).values()) <= 4
    assert set(registry.names()) >= SETTLED


@pytest.mark.parametrize("new", ["aardvark", "zebra", "pack:Own"])
def test_a_new_method_changes_no_look_of_those_that_ship(new):
    shipped = {name + variant: name for name in SETTLED for variant in ("", "_fresh")}
    beside = looks({new: new, f"{new}_fresh": new} | shipped)
    assert {label: beside[label] for label in shipped} == looks(shipped)


def test_a_label_looks_the_same_in_every_report():
    alone = looks({"wave_fresh": "wave"})["wave_fresh"]
    assert looks({"random": "random", "wave": "wave", "wave_fresh": "wave"})["wave_fresh"] == alone


TABLE = Table(
    "A & B",
    ["method", "n", "L2", "L4"],
    [
        [Cell("a|b_c"), Cell("3"), Cell("1.0 ± 0.1", bold=True), Cell("2.0")],
        [Cell("[x]"), Cell("3"), Cell(""), Cell("skipped")],
    ],
    "Caption 100%.",
    ["note <b>"],
    fixed=2,
)


def test_markdown():
    lines = markdown.table(TABLE).splitlines()
    assert lines[0] == "### A &amp; B"
    assert lines[2:6] == [
        "| method | n | L2 | L4 |",
        "| :-- | --: | --: | --: |",
        r"| a\|b\_c | 3 | **1.0 ± 0.1** | 2.0 |",
        r"| \[x\] | 3 |  | skipped |",
    ]
    assert lines[-1] == "- note &lt;b&gt;"


def test_latex():
    text = latex.table(TABLE)
    assert r"\begin{tabular}{lrrr}" in text
    assert r"a\textbar{}b\_c & 3 & \textbf{1.0 \ensuremath{\pm} 0.1} & 2.0 \\" in text
    assert r"{[}x{]} & 3" in text
    assert r"\caption{A \& B. Caption 100\%. note \textless{}b\textgreater{}.}" in text
    assert latex.escape("größe Łódź ñ ç -- é 日") == (r"gr\"{o}\ss{}e ?\'{o}d\'{z} \~{n} \c{c} -{}- \'{e} ?")
    assert [word in text for word in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3


def test_wide_tables_are_split_and_keep_their_fixed_columns():
    parts = TABLE.split(room=28)
    assert [part.header for part in parts] == [["method", "n", "L2"], ["method", "n", "L4"]]
    assert [part.rows[0][-1].text for part in parts] == ["1.0 ± 0.1", "2.0"]
    assert parts[0].title == "A & B (part 1 of 2)"
    assert TABLE.split(room=100) == [TABLE]


def test_groups_of_the_critical_difference():
    import numpy as np

    # 1.0 - 1.8 are closer than 1, so are 1.8 - 2.5; 4.0 stands alone
    ranks = np.array([2.5, 1.0, 4.0, 1.8])
    assert groups(Ranking(ranks, 5, 0.01, 1.0)) == [(1.0, 1.8), (1.8, 2.5)]
    assert groups(Ranking(ranks, 5, 0.2, 1.0)) == [(1.0, 4.0)]  # Friedman's test allows no claim at all


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


def test_every_published_number_has_its_source_and_conditions():
    rows = published()
    assert len(rows) > 10
    assert rows[["method", "metric", "value", "conditions", "source"]].notna().all(axis=None)
    assert rows["source"].str.startswith("https://").all()


def test_published_numbers_match_only_the_same_setting(make_frames):
    def found(**changes):
        runs, _ = make_frames(
            methods=("random", "weight_selection"), depths=(12,), widths=(192,), datasets=("CIFAR-100",)
        )
        (section,) = sections(runs.assign(**({"epochs": 300.0} | changes)))
        return (
            dict(zip(*matching(section)[["method", "value"]].to_numpy().T, strict=True))
            if len(matching(section))
            else {}
        )

    assert found() == {"random": 72.4, "weight_selection": 81.4}
    assert found(epochs=10.0) == found(depth=6) == found(dataset="digits") == found(control="shuffled") == {}
    assert one_spelling("ImageNet-1k") == one_spelling("imagenet") != one_spelling("imagenette")
