"""report.html: what is on it, what must not be, and how it behaves in a browser."""

import re

import numpy as np
import pytest
from markupsafe import escape

from bench.report import write_report
from bench.report.tables.model import only, quoted
from methods.random import Random
from tests.bench.pictures import ALL, all_pictures
from tests.bench.report import browser

EVIL = "<script>alert(1)</script>&\"'`|*_$x$ \\end{table}\n![x](http://evil)"

PAIRS = ("among themselves", "against controls")  # families of tests

needs_browser = pytest.mark.skipif(browser.find() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tests.bench.report.report_frames import make

    runs, curves = make(depths=(2, 4, 6))
    runs.loc[4, ["status", "error"]] = ["failed", EVIL]
    runs.loc[4, ["top1", "best_top1", "loss"]] = np.nan
    wave = runs["method"] == "wave"
    runs.loc[wave, "method"] = "wave " + EVIL
    runs.loc[wave, "options"] = '{"note": "' + "<b>" + '"}'
    runs["method_use"] = runs["method_use"].replace("mixture_growth", "elsewhere:Growth")
    runs.loc[runs["method"] == "sws", "control"] = (
        "what a whole sentence says of it, which takes the room of the numbers"
    )
    again = runs["method"] == "weight_selection"
    runs.loc[again, "method_use"] = "random"
    folder = tmp_path_factory.mktemp("report")
    context = {
        "command": "bench report <x>",
        "methods": {"elsewhere:Growth": "Says <i>this</i>.", "random": Random.__doc__},
    }
    with all_pictures():
        write_report(runs, curves, folder, title="A title & more", context=context)
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return (folder / "report.html").read_text()


def test_everything_is_inside_and_nothing_is_fetched(text, folder):
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []
    assert not re.search(r"@import|url\(", text)
    pictures = set(ALL) - {"critical_difference", "own_training"}  # these two need more than there is
    assert {path.stem for path in folder.glob("*.svg")} == pictures
    assert len(re.findall(r'<img src="data:image/svg\+xml;base64,', text)) == len(pictures)
    assert [name for name in pictures if str(escape(ALL[name])) not in text] == []
    assert "default-src 'none'" in text
    assert text.count("<script>") == 1


def test_text_from_suites_is_escaped(text, folder):
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "Says &lt;i&gt;this&lt;/i&gt;." in text
    assert "<b>" not in text
    markdown = (folder / "tables.md").read_text()
    assert "<script>" not in markdown
    accuracies = (line for line in markdown.splitlines() if not any(f"methods {end} " in line for end in PAIRS))
    rows = [line for line in accuracies if line.startswith("| wave") and "±" in line]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {11}  # 10 columns: none is broken by the label
    latex = (folder / "table_top1.tex").read_text()
    assert latex.count(r"\end{table}") == latex.count(r"\begin{table}")
    assert r"\textbackslash{}end\{table\}" in latex


def test_the_page_says_where_numbers_come_from(text):
    for words in ("A title &amp; more", "bench report &lt;x&gt;", "abc1234", "Test CPU", "given one learngene"):
        assert words in text
    assert "1 failed" in text
    assert "results/tiny/jobs/sws-L4-d64-digits-s1/log.jsonl" in text
    assert "timm&#39;s own initialisation" in text  # the docstring of random
    assert "published numbers" not in text  # none is of digits


def test_what_is_said_of_a_method_is_said_once(text, folder):
    """Two labels of one method share its docstring, and one table says why cells are not finished."""
    assert text.count("timm&#39;s own initialisation") == 1
    assert "The same method as random, above." in text
    assert [(folder / f"table_{name}.md").read_text().count("alert(1)") for name in ("top1", "best_top1")] == [2, 1]
    assert "see tiny: digits: Test top-1 (%)" in text


def test_methods_from_outside_are_not_imported(make_frames, tmp_path, monkeypatch):
    (tmp_path / "harmful.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    runs, curves = make_frames(methods=("random",), depths=(2,))
    runs["method_use"] = "harmful:Method"
    write_report(runs, curves, tmp_path / "out", title="t")
    assert "From outside the project" in (tmp_path / "out" / "report.html").read_text()


def test_words_that_lead_to_runs():
    assert quoted("a", ["b c", "d"], ["e"]) == '"a" "b c"|"d" "e"'
    assert quoted("a", []) == quoted("a", ["b", 'c"']) == ""  # nothing to choose from; what no filter can say
    assert (only(["a"], ["a", "b"]), only(["b", "a"], ["a", "b"])) == ([["a"]], [])


def test_ranks_lead_to_the_cells_that_they_are_over(make_frames):
    from bench.report.analysis.sections import sections
    from bench.report.analysis.standing import standing
    from bench.report.page.sheets import standing_table

    runs, _ = make_frames(methods=("random", "sws", "wave"), depths=(2, 4), datasets=("digits", "letters"), seeds=3)
    words = {cell.runs for cell in standing_table(standing(sections(runs))).rows[2]}
    assert words == {'"tiny" "wave"'}
    runs.loc[(runs["depth"] == 4) & (runs["method"] != "wave"), ["status", "top1"]] = ["failed", np.nan]
    words = {cell.runs for cell in standing_table(standing(sections(runs[runs["method"] != "wave"]))).rows[1]}
    assert words == {'"tiny" "sws" "L2-d64"'}


@pytest.mark.browser
@needs_browser
def test_the_console_stays_silent(folder, tmp_path):
    document, console = browser.load(folder / "report.html", 1400, tmp_path / "profile")
    assert "data-sort" in document or "<table" in document
    assert console == []


LOOK = """
const table = document.querySelector("#suite0-0-top1 table");
const block = table.closest(".block"), scroll = block.querySelector(".scroll");
const column = (i) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[i].textContent.trim());
const button = (name) => [...table.tHead.querySelectorAll("button")].find((b) => b.textContent === name);
const before = column(0);
button("stored").click();
const up = column([...table.tHead.rows[0].cells].findIndex((h) => h.textContent === "stored"));
button("stored").click();
const down = column([...table.tHead.rows[0].cells].findIndex((h) => h.textContent === "stored"));
button("method").click();
const names = column(0);
const input = block.querySelector("input");
input.value = "Random 0";
input.dispatchEvent(new Event("input"));
const filtered = column(0), count = block.querySelector(".count").textContent;
input.value = "";
input.dispatchEvent(new Event("input"));
const links = [...table.querySelectorAll("a.runs[data-words]")];
const link = links.find((a) => a.dataset.words.includes('"sws" "digits" "L4-d64"'));
const follow = (link) => {
  link.click();
  const rows = [...document.querySelectorAll("#runs-table tbody tr")];
  return rows.filter((r) => !r.hidden).map((r) => r.cells[0].textContent);
};
const behind = follow(link);
const numbers = {};
for (const name of ["standing", "0-cost", "0-storage", "0-break_even", "0-differences"]) {
  const rows = [...document.querySelectorAll(`#suite0-${name} tbody tr`)];
  const row = rows.find((r) => r.cells[0].textContent === "sws" || r.textContent.trim().match(/^random\\s*sws/));
  numbers[name] = [...row.cells].map((c) => c.textContent && follow(c.querySelector("a")));
}
console.error("heard");
const root = document.documentElement;
const wide = [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > root.clientWidth + 0.5)
  .map((e) => e.tagName + " " + e.className);
return {behind, numbers, before, up, down, names, filtered, count, all: column(0).length, wide,
        problems: window.problems, inner: window.innerWidth, hidden: scroll.scrollWidth - scroll.clientWidth,
        overflow: root.scrollWidth - root.clientWidth,
        images: [...document.images].map((i) => i.naturalWidth)};
"""


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("width", [1400, 400])
def test_the_page_fits_sorts_and_filters(folder, tmp_path, width):
    seen, console = browser.act(folder / "report.html", LOOK, width, tmp_path)
    assert seen["inner"] == width
    assert seen["overflow"] == 0
    assert seen["wide"] == []
    assert seen["hidden"] == 0 or width < 1400  # the numbers are seen without scrolling
    assert seen["problems"] == []
    assert len(console) == 1  # the script's own line: the console is heard
    assert "heard" in console[0]
    assert all(width > 100 for width in seen["images"])
    assert len(seen["images"]) == 8
    assert seen["up"] == ["0", "40.0 k", "160 k", "200 k", "390 k"]
    assert seen["down"] == seen["up"][::-1]
    assert seen["names"] == sorted(seen["before"])
    assert seen["filtered"] == ["random"]
    assert seen["count"] == "1 of 5 rows"
    assert seen["all"] == 5
    assert seen["behind"] == [f"sws-L4-d64-digits-s{seed}" for seed in range(3)]
    random, sws = (
        [f"{use}-L{depth}-d64-digits-s{seed}" for depth in (2, 4, 6) for seed in range(3)] for use in ("random", "sws")
    )
    numbers = seen["numbers"]
    for name in ("standing", "0-cost", "0-storage"):
        assert len(numbers[name]) > 3
        assert all(runs == sws for runs in numbers[name])
    assert numbers["0-break_even"] == [sws, sws, sws, random, random + sws, random + sws]
    # random minus sws, over the cells that both have finished: a run of sws at L4 failed
    assert numbers["0-differences"][:2] == [random, sws]
    assert len(numbers["0-differences"]) == 9
    both = [run for run in random + sws if "-L4-" not in run]
    assert all(runs == both for runs in numbers["0-differences"][2:] if runs)  # a partly filled family has no p (Holm)


def test_published_numbers_are_those_of_the_data_sets_that_are_here(make_frames):
    from bench.report.analysis.section_analysis import analyse
    from bench.report.page.sheets import published_table

    for dataset, expected in (("digits", set()), ("ImageNet-1k", {"imagenet"}), ("cifar100", {"cifar100"})):
        rows = published_table(analyse(*make_frames(datasets=(dataset,), depths=(2,)))).rows
        assert {row[3].text for row in rows} == expected


def test_a_method_whose_first_size_is_skipped_is_known_by_its_others(make_frames):
    from bench.report.analysis.section_analysis import analyse
    from bench.report.page.sheets import methods
    from bench.report.style import looks

    runs, curves = make_frames(methods=("random", "wave"), depths=(2, 4))
    skipped = (runs["method"] == "wave") & (runs["depth"] == 2)
    runs.loc[skipped, ["status", "reason", "needs"]] = ["skipped", "cannot change width", ""]
    runs.loc[skipped, ["top1", "stored_params", "stored_params_head", "epochs"]] = None
    analyses = analyse(runs, curves)
    entry = methods(analyses, looks(analyses[0].section.use), {})[1]
    facts = dict(entry["facts"])
    assert (facts["needs, as seen"], facts["stores"]) == ("ancestor", "40,000 parameters, and 650 for the head")


def test_what_was_run_is_told(make_frames):
    from bench.report.analysis.section_analysis import analyse
    from bench.report.page.setup import setup

    runs, curves = make_frames(methods=("random", "wave"), depths=(2,))
    runs.loc[runs["method"] == "random", "options"] = '{"runs": {"lr": 0.01}}'
    runs["recipe"] = '{"steps":600,"weight_decay":0.3}'
    facts = dict(setup(analyse(runs, curves)[0]))
    assert facts["training images an epoch"] == "1,077"
    assert facts["recipe, where it is not the default"] == "steps 600, weight_decay 0.3"
    assert (facts["epochs"], facts["batch size"], facts["learning rate"]) == ("5", "32", "0.001")
    assert facts["ancestor"] == "40.0 k images seen, 4.00 TFLOPs"
    assert facts["recipes of their own"] == 'random: {"lr": 0.01}'


def test_what_a_method_cannot_do_is_no_warning_and_what_another_failure_skips_is(make_frames):
    from bench.report.analysis.cautions import warnings_of

    runs, _ = make_frames(methods=("random",), depths=(2, 4), seeds=6)
    runs.loc[0, ["status", "reason"]] = ["skipped", "cannot change width"]
    assert warnings_of(runs) == []
    runs.loc[0, "reason"] = "learngene failed: loss is NaN"
    assert warnings_of(runs) == ["tiny: 1 of 12 runs are not done: 1 skipped"]
