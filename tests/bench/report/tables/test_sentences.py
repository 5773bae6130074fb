"""Each kind of sentence on synthetic runs; none compares without a verdict."""

import json
import re

import numpy as np
import pytest

from bench.report.analysis.section_analysis import analyse
from bench.report.tables.sentences import sentences
from tests.bench.report.report_frames import make

COMPARATIVES = r"\b(ahead|behind|level within|best by|better than|worse|more accurate|most accurate)\b"
JITTER = np.array([0.0, 0.3, -0.3, 0.1, -0.1, 0.2])


def said(scores, families=None, seeds=6, control="", **changes):
    """Sentences by kind of runs at two sizes with these accuracies, each with a jitter of its own."""
    runs, curves = make(methods=tuple(scores), depths=(2, 4), seeds=seeds)
    for i, (label, level) in enumerate(scores.items()):
        of_label = runs["method"] == label
        runs.loc[of_label, "top1"] = level + np.roll(JITTER, i)[runs.loc[of_label, "seed"].astype(int)]
        runs.loc[of_label, "best_top1"] = runs.loc[of_label, "top1"]
    runs.loc[runs["method"] == control, "control"] = "what remains without it"
    for (label, depth), status in changes.get("states", {}).items():
        rows = (runs["method"] == label) & (runs["depth"] == depth) & (runs["seed"] == 0)
        runs.loc[rows, ["status", "top1"]] = [status, np.nan]
    runs["families"] = json.dumps(families) if families else ""
    kinds = {}
    for sentence in sentences(analyse(runs, curves)[0]):
        kinds.setdefault(sentence.kind, []).append(sentence)
    return kinds


def words(kinds, kind):
    return " ".join(sentence.text for sentence in kinds.get(kind, []))


def test_one_that_is_ahead_of_every_other_is_best_by_its_nearest():
    kinds = said({"random": 50.0, "sws": 80.0, "wave": 90.0})
    text = words(kinds, "best")
    assert text.startswith("Best by test top-1: wave (90.0%) is ahead of every other of 3, of sws by +10.00 ± ")
    assert kinds["best"][0].family == "methods among themselves; Holm over 3 pairs"
    assert re.search(r"sws \(-10\.00 ± \d\.\d\d to wave\)", words(kinds, "behind"))
    assert re.search(r"random \(-40\.00 ± \d\.\d\d to wave\)", words(kinds, "behind"))
    assert words(kinds, "storage").endswith("by those that are behind none: wave 40.6 k.")


def test_without_a_single_best_those_behind_none_are_named():
    kinds = said({"random": 50.0, "sws": 90.0, "wave": 90.0})
    text = words(kinds, "best")
    assert "2 of 3 are behind none: " in text and text.endswith("No single one is ahead of all.")
    assert "1 of 3 pairs are open: no difference is shown; it declares no margin" in words(kinds, "not shown")
    assert "level" not in kinds


def test_level_needs_a_margin_and_says_it():
    family = {"main": {"among": ["random", "sws", "wave"], "margin": 1.5}}
    kinds = said({"random": 50.0, "sws": 90.0, "wave": 90.0}, family)
    assert re.fullmatch(r"Level within 1\.5 points: sws and wave \([+-]0\.00 ± 0\.\d\d\)\.", words(kinds, "level"))
    assert kinds["level"][0].family == "main; Holm over 3 pairs"
    assert "not shown" not in kinds


def test_a_control_says_what_is_behind_ahead_and_open():
    kinds = said({"random": 50.0, "sws": 80.0, "wave": 90.0, "wave_untrained": 80.0}, control="wave_untrained")
    text = words(kinds, "control")
    assert text.startswith("Against wave_untrained (what remains without it), behind it: random (-30.00 ± ")
    assert "ahead of it: wave (+10.00 ± " in text and "open: sws (" in text
    assert kinds["control"][0].family == "methods against controls; Holm over 3 pairs"


def test_cost_and_storage_are_listed_as_counts():
    kinds = said({"random": 50.0, "sws": 80.0, "wave": 90.0})
    cost = words(kinds, "cost")
    assert cost.startswith("FLOPs to reach what random ends with (50.0%, mean of 2 sizes)")
    assert cost.index("random ") < cost.index("sws 7.") < cost.index("wave 8.")
    assert "counted, not tested" in cost
    assert "pays" not in kinds  # random never reaches them, which tells nothing


def test_families_with_the_same_first_labels_share_a_sentence_of_storage():
    families = {name: {"among": ["sws", "wave"]} for name in ("one", "two")} | {"three": {"among": ["random", "sws"]}}
    storage = said({"random": 50.0, "sws": 80.0, "wave": 90.0}, families)["storage"]
    assert [(s.text.rpartition(": ")[2], s.family) for s in storage] == [
        ("wave 40.6 k.", "one; Holm over 1 pair and two; Holm over 1 pair"),
        ("sws 201 k.", "three; Holm over 1 pair"),
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": 4}, "n = 4: with fewer than 5 seeds nothing is said here of which is better."),
        ({"states": {("wave", 4): "pending"}}, "Partly filled, so it gives no verdict: 1 of 36 runs are not done."),
        ({"states": {("sws", 2): "failed"}}, "Partly filled, so it gives no verdict: 1 of 36 runs are not done."),
    ],
)
def test_without_verdicts_only_what_was_run_and_what_is_not_shown(changes, says):
    kinds = said({"random": 50.0, "sws": 80.0, "wave": 90.0}, **changes)
    assert set(kinds) == {"run", "not shown"}
    assert words(kinds, "not shown") == says
    assert not re.search(COMPARATIVES, words(kinds, "run"))


def test_one_label_compares_with_nothing():
    kinds = said({"wave": 90.0})
    assert set(kinds) == {"run", "not shown"}
    assert words(kinds, "run") == "Run on digits: 1 method, 2 target sizes and 6 seeds; 12 of 12 runs are done."


@pytest.mark.parametrize("gap", [0.0, 0.2, 1.0, 5.0])
@pytest.mark.parametrize("margin", [None, 1.0])
def test_no_comparative_without_a_verdict(gap, margin):
    """Each label that is called ahead, behind or level has that verdict in comparisons.csv."""
    family = {"main": {"among": ["sws", "wave"]} | ({"margin": margin} if margin else {})}
    runs, curves = make(methods=("sws", "wave"), depths=(2, 4), seeds=6)
    runs["top1"] = 80 + np.roll(JITTER, 1)[runs["seed"].astype(int)] + gap * (runs["method"] == "wave")
    runs.loc[runs["method"] == "sws", "top1"] += JITTER[runs.loc[runs["method"] == "sws", "seed"].astype(int)]
    (analysis,) = analyse(runs.assign(families=json.dumps(family)), curves)
    verdict = analysis.comparisons.set_index("target").loc["all targets", "verdict"]
    kinds = {sentence.kind for sentence in sentences(analysis)} & {"best", "behind", "level", "not shown"}
    expected = {"ahead": {"best", "behind"}, "behind": {"best", "behind"}, "level": {"level"}, "open": {"not shown"}}
    assert kinds == expected[verdict]
