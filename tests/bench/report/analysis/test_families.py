"""Families of tests, recomputed with pandas and scipy alone; what is partly filled gives no verdict."""

import json
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.report import ReportError, read_runs
from bench.report.analysis import statistics
from bench.report.analysis.comparisons import ALL, compare
from bench.report.analysis.families import families_of, missing
from bench.report.analysis.sections import sections
from bench.report.conform import conform_runs
from bench.report.tables.claims import differences
from tests.bench.report.report_frames import make

REFERENCE = Path(__file__).parents[4] / "results/reference"
READ = ["dataset", "method", "target", "embed_dim", "depth", "num_heads", "seed", "status", "top1"]
DECLARED = {
    "main": {"among": ["sws", "wave", "mixture_growth"], "margin": 1.5},
    "floor": {"against": "random", "labels": ["sws", "wave"], "metric": "top1_init", "targets": ["L2-d64", "L4-d64"]},
}


def one(runs):
    (section,) = sections(runs)
    return section


def holm_by_hand(p):
    """The largest of (k - j) p_(j) over the j smallest, at most 1."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    stepped = [(len(p) - j) * p[i] for j, i in enumerate(order)]
    return [min(1.0, max(stepped[: order.index(i) + 1])) for i in range(len(p))]


def raw_p(differences, margin):
    """(p, p of equivalence) of each pair, whose differences over seeds are an array."""
    found = {}
    for n in {len(d) for d in differences}:  # scipy is called once for all pairs with as many seeds
        places = [place for place, d in enumerate(differences) if len(d) == n]
        d = np.array([differences[place] for place in places]).T
        equal, mean, level = np.ptp(d, axis=0) < 1e-9, d.mean(axis=0), np.full(len(places), np.nan)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of equal differences, which have a rule of their own
            p = np.where(equal, np.where(abs(mean) < 1e-9, 1.0, 2.0 ** (1 - n)), stats.ttest_1samp(d, 0).pvalue)
            if margin:
                sides = [(-margin, "greater"), (margin, "less")]
                tost = np.max([stats.ttest_1samp(d, at, alternative=side).pvalue for at, side in sides], axis=0)
                level = np.where(equal, np.where(abs(mean) < margin, 2.0**-n, 1.0), tost)
        found |= dict(zip(places, zip(p, level, strict=True), strict=True))
    return [found[place] for place in range(len(differences))]


def recomputed(runs, families):
    """The rows of comparisons.csv from the runs of one data set, by other code."""
    sizes = runs.drop_duplicates("target").sort_values(["embed_dim", "depth", "num_heads"], kind="stable")["target"]
    rows, values = [], {}
    for metric in {family.get("metric", "top1") for family in families.values()}:
        done = runs[runs["status"] == "done"].astype({metric: float})
        values[metric] = done.pivot(index="seed", columns=["method", "target"], values=metric)
    for name, family in families.items():
        pairs = list(combinations(family["among"], 2)) if "among" in family else []
        pairs = pairs or [(label, family["against"]) for label in family["labels"]]
        targets = [t for t in sizes if t in family.get("targets", list(sizes))]
        scores = values[family.get("metric", "top1")]
        cells = {(a, b): (scores[a] - scores[b]).reindex(columns=targets) for a, b in pairs}
        for scope in [*targets, ALL]:
            of_scope = []
            for a, b in pairs:
                paired = cells[a, b].dropna(how="all")
                paired = paired.dropna(axis="columns").mean(axis="columns") if scope == ALL else paired[scope]
                if len(d := paired.dropna().to_numpy()):
                    of_scope.append({"family": name, "target": scope, "method_a": a, "method_b": b, "d": d})
            for row, p in zip(of_scope, raw_p([row["d"] for row in of_scope], family.get("margin")), strict=True):
                d = row.pop("d")
                row |= {"n": len(d), "difference": d.mean(), "p": p[0], "p_equivalence": p[1]}
            for corrected, raw in (("p_holm", "p"), ("p_equivalence_holm", "p_equivalence")):
                known = not any(np.isnan(row[raw]) for row in of_scope)
                adjusted = holm_by_hand([row[raw] for row in of_scope]) if known else [np.nan] * len(of_scope)
                for row, p in zip(of_scope, adjusted, strict=True):
                    row[corrected] = p
            rows += of_scope
    frame = pd.DataFrame(rows)
    level = np.where(frame["p_equivalence_holm"] < 0.05, "level", "open")
    side = np.where(frame["difference"] > 0, "ahead", "behind")
    return frame.assign(verdict=np.where(frame["p_holm"] < 0.05, side, level))


def agree(runs, families):
    section = one(conform_runs(runs))
    expected, computed = recomputed(runs, families), compare(section)
    keys, numbers = ["family", "target", "method_a", "method_b"], ["difference", "p", "p_holm"]
    expected, computed = (frame.set_index(keys).sort_index() for frame in (expected, computed))
    assert computed.index.tolist() == expected.index.tolist()
    for name in [*numbers, "p_equivalence", "p_equivalence_holm"]:
        np.testing.assert_allclose(computed[name], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert computed["verdict"].tolist() == expected["verdict"].tolist()
    assert computed["n"].tolist() == expected["n"].tolist()
    return computed


@pytest.mark.parametrize(("seeds", "draw"), [(3, 0), (4, 1), (5, 2), (8, 3), (12, 4)])
def test_an_independent_recomputation_agrees(seeds, draw):
    runs, _ = make(seeds=seeds)
    noise = np.random.default_rng(draw).normal(0, 2, len(runs))
    runs["top1"] = (80 + noise + (runs["method"] == "wave") + runs["depth"].astype(float)).round(1)
    runs["families"] = json.dumps(DECLARED)
    agree(runs, DECLARED)


@pytest.mark.parametrize("suite", ["digits_reference_depth", "digits_reference_width", "digits_variable_depth"])
def test_an_independent_recomputation_of_the_committed_runs_agrees(suite):
    runs = read_runs(REFERENCE / suite / "runs.csv")
    first = runs.drop_duplicates("method")
    controls, methods = (first.loc[(first["control"] != "") == control, "method"].tolist() for control in (True, False))
    default = {"methods among themselves": {"among": methods}}
    against = [{"against": control, "labels": methods} for control in controls]
    section = one(runs)
    assert [pair for f in families_of(section)[1:] for pair in f.pairs] == [
        (label, each["against"]) for each in against for label in each["labels"]
    ]
    computed = compare(section)
    both = computed[computed["family"] == "methods among themselves"]
    assert len(families_of(section)) == 1 + bool(controls)
    expected = recomputed(runs, default).set_index(["target", "method_a", "method_b"])
    both = both.set_index(["target", "method_a", "method_b"]).loc[expected.index]
    for name in ("difference", "p", "p_holm"):
        np.testing.assert_allclose(both[name], expected[name], rtol=1e-9, atol=1e-12)
    declared = {"level": {"among": methods, "margin": 1.0}}
    declared |= {f"to {each['against']}": each | {"margin": 2.0} for each in against}
    found = agree(runs.assign(families=json.dumps(declared)), declared)
    assert len(set(found["verdict"])) > 1


NAMED = ["dataset", "family", "target", "method_a", "method_b"]
STUDY = [path.name for path in sorted(REFERENCE.glob("t[1-5]_*"))]


@pytest.mark.parametrize("suite", STUDY)
def test_an_independent_recomputation_of_the_study_agrees(suite):
    """All rows, from the committed runs and the families that the suite's file declares, past our own code."""
    runs = pd.read_csv(REFERENCE / suite / "runs.csv.gz", usecols=READ)
    families = yaml.safe_load((REFERENCE.parents[1] / f"suites/study/{suite}.yaml").read_text())["families"]
    frames = [recomputed(of_one, families).assign(dataset=dataset) for dataset, of_one in runs.groupby("dataset")]
    expected = pd.concat(frames).set_index(NAMED).sort_index()
    committed = pd.read_csv(REFERENCE / suite / "comparisons.csv").set_index(NAMED).sort_index()
    assert committed.index.tolist() == expected.index.tolist()
    for name in ("difference", "p", "p_holm", "p_equivalence", "p_equivalence_holm"):
        np.testing.assert_allclose(committed[name], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert committed["verdict"].tolist() == expected["verdict"].tolist()
    assert committed["n"].tolist() == expected["n"].tolist()


def test_equivalence_by_hand_and_of_equal_differences():
    """d = 0.5 +- 0.5 at five seeds, margin 1: t = (1 - 0.5) / (0.5 / sqrt 5) = 2.236 with four degrees of freedom."""
    d = np.array([0.5, 0.5, 0.5 + 0.5**0.5, 0.5 - 0.5**0.5, 0.5])
    result = statistics.paired(np.stack([d, np.full(5, 0.5), np.full(5, 1.0)], axis=1), 0.0)
    p = statistics.equivalence(result, 1.0)
    assert p.tolist() == pytest.approx([stats.t.sf(5**0.5, 4), 1 / 32, 1.0])


@settings(max_examples=30)
@given(st.integers(0, 2**16), st.floats(0.1, 5))
def test_equivalence_is_easier_with_a_wider_margin_and_blind_to_sign(draw, margin):
    d = np.random.default_rng(draw).normal(0.3, 1, (7, 1))
    narrow, wide = (statistics.equivalence(statistics.paired(d, 0.0), m)[0] for m in (margin, 1.5 * margin))
    assert wide < narrow
    assert statistics.equivalence(statistics.paired(-d, 0.0), margin)[0] == pytest.approx(narrow)


def test_default_families_are_methods_against_controls_and_among_themselves(make_frames):
    runs, _ = make_frames(methods=("random", "sws", "wave", "wave_control"), depths=(2,))
    runs.loc[runs["method"] == "wave_control", "control"] = "what wave would do untrained"
    among, controls = families_of(one(runs))
    assert (among.name, among.labels) == ("methods among themselves", ["random", "sws", "wave"])
    assert controls.pairs == (("random", "wave_control"), ("sws", "wave_control"), ("wave", "wave_control"))
    assert families_of(one(runs[runs["method"] == "wave"])) == []


def test_no_margin_no_level(make_frames):
    runs, _ = make_frames(methods=("sws", "wave"), depths=(2,), seeds=6)
    runs["top1"] = [90.0, 91, 92, 93, 94, 95] * 2
    runs.loc[0, "top1"] += 0.1
    family = {"main": {"among": ["sws", "wave"]}}
    assert set(compare(one(runs.assign(families=json.dumps(family))))["verdict"]) == {"open"}
    family["main"]["margin"] = 1
    assert set(compare(one(runs.assign(families=json.dumps(family))))["verdict"]) == {"level"}


@pytest.mark.parametrize("status", ["failed", "pending", "running", "interrupted"])
def test_a_partly_filled_family_gives_no_verdict_and_says_so(make_frames, status):
    runs, curves = make_frames(depths=(2, 4), seeds=6)
    assert {"ahead", "behind"} <= set(compare(one(runs))["verdict"])
    runs.loc[7, ["status", "top1"]] = [status, np.nan]
    section = one(runs)
    comparisons = compare(section)
    assert set(comparisons["verdict"]) == {""}
    assert comparisons["p_holm"].isna().all() and comparisons["p"].notna().any()
    assert missing(section, families_of(section)[0]) == "1 of 60 runs are not done"
    from bench.report.analysis.section_analysis import analyse

    table = differences(analyse(runs, curves)[0])
    assert "PARTLY FILLED, so no verdict: 1 of 60 runs are not done" in table.notes[0]
    assert {row[-1].text for row in table.rows} == {"family partly filled"}


@pytest.mark.parametrize(("labels", "groups"), [(8, []), (12, [(66, 24)])])
def test_a_long_family_alone_is_cut(make_frames, labels, groups):
    """28 pairs of 8 labels are more than the 24 of a family that come first, but fit; 66 of 12 do not."""
    names = [f"m{i}" for i in range(labels)]
    runs, curves = make_frames(methods=names, depths=(2,), seeds=3)
    runs["families"] = json.dumps({"main": {"among": names}})
    from bench.report.analysis.section_analysis import analyse

    table = differences(analyse(runs, curves)[0])
    assert [(group.number, group.shown) for group in table.groups] == groups


def test_what_a_method_cannot_do_does_not_keep_a_family_open(make_frames):
    runs, _ = make_frames(depths=(2, 4), seeds=6)
    wave = (runs["method"] == "wave") & (runs["depth"] == 4)
    runs.loc[wave, ["status", "reason", "top1"]] = ["skipped", "cannot change depth", np.nan]
    section = one(runs)
    assert missing(section, families_of(section)[0]) == ""
    overall = compare(section).set_index(["target", "method_a", "method_b"]).loc[ALL, "random", "wave"]
    assert (overall["cells"], overall["verdict"]) == (1, "behind")


@pytest.mark.parametrize("gone", ["method == 'wave' and depth == 4", "method == 'sws' and depth == 2 and seed == 5"])
def test_rows_that_are_not_there_leave_a_family_partly_filled(make_frames, gone):
    runs, _ = make_frames(methods=("random", "sws", "wave"), depths=(2, 4), seeds=6)
    runs["families"] = json.dumps({"main": {"among": ["random", "sws", "wave"]}})
    section = one(runs.drop(runs.query(gone).index))
    assert missing(section, families_of(section)[0]) == f"{len(runs.query(gone))} runs are not among these"
    assert set(compare(section)["verdict"]) == {""}
    joined = {"joined": {"among": ["random", "sws", "wave"], "uneven": True}}
    assert "" not in set(compare(one(section.runs.assign(families=json.dumps(joined))))["verdict"]), (
        "of several sources"
    )


def test_runs_that_were_left_out_by_the_command_leave_a_family_partly_filled(make_frames):
    """As `run --only` does: the rows of the others are whole, for each label and target."""
    runs, _ = make_frames(methods=("random", "sws"), depths=(2,), seeds=6)
    family = {"main": {"among": ["random", "sws"], "margin": 3}}
    assert "" not in set(compare(one(runs.assign(families=json.dumps(family))))["verdict"])
    family["main"]["left_out"] = 2
    section = one(runs.assign(families=json.dumps(family)))
    assert missing(section, families_of(section)[0]) == "2 runs are not among these"
    assert set(compare(section)["verdict"]) == {""}


def test_a_declared_label_without_a_run_leaves_the_family_partly_filled(make_frames):
    runs, _ = make_frames(methods=("random", "sws"), depths=(2,), seeds=6)
    runs["families"] = json.dumps({"main": {"among": ["random", "sws", "wave"]}})
    section = one(runs)
    assert missing(section, families_of(section)[0]) == "no run of wave"
    assert set(compare(section)["verdict"]) == {""}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"a": 1}',
        '{"a": {"among": ["b"]}}',
        '{"a": {"labels": ["b"]}}',
        '{"a": {"among": ["b", 3]}}',
        '{"a": {"among": ["b", "c"], "margin": 0}}',
        '{"a": {"among": ["b", "c"], "margin": NaN}}',
        '{"a": {"among": ["b", "c"], "metric": "top9"}}',
    ],
)
def test_a_damaged_column_is_refused(make_frames, text):
    runs, _ = make_frames(depths=(2,))
    with pytest.raises(ReportError, match="column families: expected empty, or JSON"):
        conform_runs(runs.assign(families=text))


def test_a_suite_has_one_set_of_families(make_frames):
    runs, _ = make_frames(depths=(2,))
    runs.loc[3, "families"] = json.dumps(DECLARED)
    with pytest.raises(ReportError, match="column families: expected the same in every row of a suite"):
        conform_runs(runs)
