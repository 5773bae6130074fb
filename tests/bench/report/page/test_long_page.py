"""The page of 40 labels: in groups, the best and the controls first, the rest on demand, no wider than its window."""

from contextlib import nullcontext

import pytest

from bench.report import write_report
from tests.bench.report import browser

USES = ("wave", "sws", "mixture_growth", "pruning")
LABELS = [f"{use}_{i}" for use in USES for i in range(10)]  # the most accurate first
CONTROLS = ["sws_7", "wave_6"]
ALONE = "sws_0"  # of a method that has no other label

WAVE = [f"wave_{i}" for i in (0, 1, 2, 3, 4, 5, 7, 8, 9)]
SWS = [f"sws_{i}" for i in (1, 2, 3, 4, 5, 6, 8, 9)]
LAST = ["wave_6", "sws_7"]

LOOK = """
const table = document.querySelector("#suite0-0-top1 table"), block = table.closest(".block");
const seen = (kind) => [...table.querySelectorAll(`tbody ${kind}`)].filter((row) => row.offsetHeight > 0);
const words = (cell) => cell.textContent.trim();
const rows = () => seen("tr:not(.group)").map((row) => words(row.cells[0]));
const heads = () => seen("tr.group").map((row) => words(row.cells[0]));
const lines = () => seen("tr").map((row) => words(row.cells[0]));
const indents = () => ["wave_0", "sws_0"].map((label) => {
  const row = seen("tr").find((row) => words(row.cells[0]) === label);
  return parseFloat(getComputedStyle(row.cells[0]).paddingLeft);
});
const say = (words) => {
  block.querySelector("input").value = words;
  block.querySelector("input").dispatchEvent(new Event("input"));
};
const root = document.documentElement;
const wide = () => [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > root.clientWidth + 0.5)
  .map((e) => e.tagName + " " + e.className);
const methods = [...document.querySelectorAll(".method")];
const at_first = {lines: lines(), rows: rows(), indents: indents(), unfold: words(block.querySelector(".unfold")),
                  methods: methods.map((method) => method.offsetHeight), wide: wide()};
say("sws_1");
const filtered = {lines: lines(), count: words(block.querySelector(".count"))};
say("");
const again = lines();
table.querySelector("tr.group button").click();
const opened = {rows: rows(), heads: heads()};
block.querySelector(".unfold").click();
const every = {rows: rows(), heads: heads(), buttons: block.querySelectorAll("tbody button, .unfold").length};
table.tHead.querySelector("button").click();
const sorted = {lines: lines(), indents: indents()};
say("sws_1");
say("");
const unfiltered = lines();
document.querySelectorAll("details").forEach((details) => { details.open = true; });
return {at_first, filtered, again, opened, every, sorted, unfiltered, problems: window.problems,
        methods: methods.map((method) => method.offsetHeight), wide: wide(), inner: window.innerWidth,
        overflow: root.scrollWidth - root.clientWidth,
        cells: document.querySelectorAll("#suite0-0-cells .group").length};
"""


@pytest.mark.browser
@pytest.mark.skipif(browser.find() is None, reason="no Chromium on this machine")
def test_forty_labels(make_frames, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.write.begun", lambda *_: nullcontext(list))
    runs, curves = make_frames(methods=LABELS, depths=(2,), seeds=1)
    runs["top1"] = 90.0 - runs["method"].map(LABELS.index)
    runs["control"] = ["a control" if label in CONTROLS else "" for label in runs["method"]]
    runs["method_use"] = ["tleg" if label == ALONE else label.rpartition("_")[0] for label in runs["method"]]
    runs["families"] = '{"main": {"among": ["wave_0", "sws_1"]}}'  # all pairs are not what this is about
    said = {"methods": dict.fromkeys([*USES, "tleg"], "What it is.\n\nAnd how.")}
    write_report(runs, curves[:0], tmp_path, title="Forty labels", context=said)
    seen, console = browser.act(tmp_path / "report.html", LOOK, 700, tmp_path)
    assert (seen["inner"], seen["overflow"], seen["wide"], seen["problems"], console) == (700, 0, [], [], [])
    first, rest = seen["at_first"], ["mixture_growthshow 10", "pruningshow 10", "controls"]
    assert first["lines"] == ["wave", *WAVE, ALONE, "swsshow 4 more", *SWS[:4], *rest, *LAST]
    assert (len(first["rows"]), first["unfold"], first["wide"]) == (16, "show all 40 rows", [])
    assert first["indents"][0] > first["indents"][1] == seen["sorted"]["indents"][0]
    assert seen["filtered"] == {"lines": ["sws_1"], "count": "1 of 40 rows"}
    assert seen["again"] == first["lines"]
    assert seen["opened"] == {"rows": [*WAVE, ALONE, *SWS, *LAST], "heads": ["wave", "sws", *rest]}
    every = [*WAVE, ALONE, *SWS, *LABELS[20:], *LAST]
    assert seen["every"] == {"rows": every, "heads": [*USES, "controls"], "buttons": 0}
    assert seen["sorted"]["lines"] == seen["unfiltered"] == sorted(LABELS)  # no groups of rows in another order
    assert seen["cells"] == 5
    assert len(first["methods"]) == 40 and max(first["methods"]) < 100 < min(seen["methods"])
