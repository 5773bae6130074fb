"""Tables as Markdown and LaTeX, split where they are wide; the recipe of a label in words."""

from bench.report.analysis.sections import sections
from bench.report.tables import latex, markdown
from bench.report.tables.accuracy import setting
from bench.report.tables.model import Cell, Table


def test_the_recipe_of_a_label_is_listed_with_commas(make_frames):
    runs, _ = make_frames(methods=("random", "wave"))
    runs.loc[runs["method"] == "wave", "options"] = '{"runs": {"mixup": 0.2, "lr": 1, "weight_decay": 0, "epochs": 9}}'
    (section,) = sections(runs)
    assert setting(section, "wave") == "runs with their own lr, mixup and weight_decay"


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
