"""Tables of many labels: groups below headings, in every format; what is said once of all that it is true of."""

import io

import pytest
from rich.console import Console

from bench.report.analysis.cost import totals
from bench.report.analysis.leading import MOST, LabelGroup
from bench.report.analysis.sections import sections
from bench.report.analysis.summary import summarise
from bench.report.tables import latex, markdown
from bench.report.tables.accuracy import accuracy
from bench.report.tables.model import LONG, Cell, Rows, Table
from bench.report.tables.terminal import print_table
from tests.bench.report.report_frames import make

GROUPS = [
    LabelGroup("sws", ["sws_b", "sws_a"], 1),
    LabelGroup("", ["tleg"], 1),
    LabelGroup("wave", ["wave"], 0),
    LabelGroup("controls", ["untrained"], 1),
]


def table_of(labels, each=1):
    rows = [[Cell(label), Cell(f"{i}.0", bold=label == "tleg")] for label in labels for i in range(each)]
    return Table("Title", ["method", "L2"], rows)


TABLE = table_of(["wave", "sws_a", "untrained", "tleg", "sws_b"]).grouped(GROUPS)


def test_rows_stand_by_their_groups():
    assert [(row[0].text, heading, first) for row, heading, first in TABLE.marked()] == [
        ("sws_b", "sws", True),
        ("sws_a", "sws", False),
        ("tleg", "", True),
        ("wave", "wave", False),
        ("untrained", "controls", True),
    ]


def test_a_table_is_left_as_it_is_where_there_is_nothing_to_group():
    for labels, groups in ((["wave", "sws_b"], []), (["wave", "tleg", "sws_b"], GROUPS)):
        table = table_of(labels)
        assert table.grouped(groups) is table and not table.headed
        assert [(row, heading, first) for row, heading, first in table.marked()] == [(r, "", True) for r in table.rows]


def test_what_is_of_no_group_comes_in_the_end():
    assert table_of(["other", "sws_a", "sws_b", "tleg", "another"]).grouped(GROUPS).groups == [
        Rows("sws", 2, 1),
        Rows("", 1, 1),
        Rows("", 2, 0),
    ]


def test_headings_are_rows_of_markdown():
    assert markdown.table(TABLE).splitlines()[2:] == [
        "| method | L2 |",
        "| :-- | --: |",
        "| sws: |  |",
        r"| · sws\_b | 0.0 |",
        r"| · sws\_a | 0.0 |",
        "| tleg | **0.0** |",
        "| wave: |  |",
        "| · wave | 0.0 |",
        "| controls: |  |",
        "| · untrained | 0.0 |",
    ]


def test_headings_are_rows_of_latex():
    body = latex.table(TABLE).partition("\\midrule\n")[2].partition("    \\bottomrule")[0]
    assert [line.strip() for line in body.splitlines()] == [
        r"sws: &  \\",
        r"\ensuremath{\cdot} sws\_b & 0.0 \\",
        r"\ensuremath{\cdot} sws\_a & 0.0 \\",
        r"tleg & \textbf{0.0} \\",
        r"wave: &  \\",
        r"\ensuremath{\cdot} wave & 0.0 \\",
        r"controls: &  \\",
        r"\ensuremath{\cdot} untrained & 0.0 \\",
    ]


def test_of_a_long_table_what_comes_first_is_printed():
    each = LONG // 5 + 1
    long = table_of(["wave", "sws_a", "untrained", "tleg", "sws_b"], each).grouped(GROUPS)
    brief = long.brief()
    names = [row[0].text for row in brief.rows]
    assert list(dict.fromkeys(names)) == ["sws:", "· sws_b", "tleg", "controls:", "· untrained"]
    assert len(names) == 3 * each + 2
    assert brief.notes == [
        f"{3 * each} of {5 * each} rows, of the labels that come first: the page and the CSV file have all"
    ]
    flat = Table("Title", ["method", "L2"], long.rows, groups=[Rows("", 5 * each, each)]).brief()
    assert (len(flat.rows), flat.notes) == (
        each,
        [f"the first {each} of {5 * each} rows: the page and the CSV file have all"],
    )


def many(number):
    """Labels of which the second and those after it do not make all of three sizes."""
    labels = ["random", *(f"wave_{i}" for i in range(number - 1))]
    runs, _ = make(methods=labels, depths=(2, 4, 6), seeds=1)

    def left_out(label, depths, status, reason):
        chosen = (runs["method"] == label) & runs["depth"].isin(depths)
        runs.loc[chosen, ["status", "reason"]] = [status, reason]
        runs.loc[chosen, ["top1", "stored_params"]] = None

    for label in ("wave_0", "wave_2"):
        left_out(label, (4, 6), "skipped", f"{label} cannot grow depth")
    left_out("wave_1", (4, 6), "skipped", "cannot grow depth")
    left_out("wave_3", (4,), "skipped", "wave_4 failed: wave_3 is NaN")
    left_out("wave_4", (4,), "failed", "")
    return runs


@pytest.mark.parametrize(
    ("number", "notes"),
    [
        (
            MOST,
            [
                *(f"wave_0 at L{n}-d64: 1 skipped: wave_0 cannot grow depth" for n in (4, 6)),
                *(f"wave_1 at L{n}-d64: 1 skipped: cannot grow depth" for n in (4, 6)),
                *(f"wave_2 at L{n}-d64: 1 skipped: wave_2 cannot grow depth" for n in (4, 6)),
                "wave_3 at L4-d64: 1 skipped: wave_4 failed: wave_3 is NaN",
                "wave_4 at L4-d64: 1 failed",
                *(f"wave_{i}: stored and cost are of {n} of 3 sizes only" for i, n in enumerate((1, 1, 1, 2, 2))),
            ],
        ),
        (
            MOST + 1,
            [
                "1 skipped each at L4-d64 and L6-d64: cannot grow depth (wave_0, wave_1 and wave_2)",
                "1 skipped at L4-d64: wave_4 failed: wave_3 is NaN (wave_3)",
                "1 failed at L4-d64 (wave_4)",
                "stored and cost are of 1 of 3 sizes only (wave_0, wave_1 and wave_2)",
                "stored and cost are of 2 of 3 sizes only (wave_3 and wave_4)",
            ],
        ),
    ],
)
def test_of_many_labels_a_reason_is_said_once(number, notes):
    (section,) = sections(many(number))
    assert accuracy(section, summarise(section), totals(section), None).notes[1:] == notes


def test_the_terminal_has_groups_and_is_no_wider():
    runs = many(MOST + 1)
    runs["families"] = '{"main": {"among": ["wave_8", "wave_9"]}}'  # all pairs are not what this is about
    runs.loc[runs["method"] == "wave_5", "control"] = "no wave"
    console = Console(file=io.StringIO(), width=70)
    print_table(runs, console)
    lines = console.file.getvalue().splitlines()
    names = [line.split("│")[1].strip() for line in lines if line.startswith("│")]
    assert (names[0], names[-3:]) == ("wave:", ["random", "controls:", "· wave_5"])
    assert max(map(len, lines)) <= 70
