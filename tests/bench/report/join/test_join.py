"""Joining tables: what is the same is shown once, what is not is named apart, and what differs is refused."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.errors import UsageError
from bench.report import write_report
from bench.report.analysis.section_analysis import analyse
from bench.report.analysis.statistics import welch
from bench.report.columns import TRAINING
from bench.report.conform import conform_runs, conform_training
from bench.report.frames import empty, read_runs, write_runs
from bench.report.join.joined import join
from bench.report.join.part import Part
from bench.report.tables.every import tables_of
from bench.report.tables.sentences import sentences
from tests.bench.report.report_frames import make, make_training

RECIPE = {"data": "d1", "recipe": '{"epochs":5}'}
NONE = conform_training(empty(TRAINING))


def part(source, frames=None, own=False, training=NONE, **changes):
    runs, curves = frames or make(methods=("random", "wave"), depths=(2, 4))
    runs = runs.assign(**{**RECIPE, **changes})
    return Part(source, f"{source}.csv", own, conform_runs(runs), curves, training)


def renamed(part, old, new):
    """A part in which a label is another method: other identities, other numbers."""
    runs, curves = part.runs.copy(), part.curves.copy()
    mine = runs["method"] == old
    names = dict(zip(runs.loc[mine, "run"], runs.loc[mine, "run"].str.replace(old, new), strict=True))
    runs["run"] = runs["run"].replace(names)
    runs.loc[mine, ["method", "method_use"]] = [new, f"mine:{new}"]
    return Part(part.source, part.place, part.is_own, runs, curves.replace({"run": names}), part.training)


def moved(part, points=0.0, device="Other CPU", seed=0):
    """A part as another kind of device makes it."""
    runs = part.runs.assign(device_name=device)
    runs["top1"] = runs["top1"] + points + np.random.default_rng(seed).normal(0, 0.2, len(runs))
    return Part(part.source, part.place, part.is_own, runs, part.curves, part.training)


def of(joined):
    (analysis,) = analyse(joined.runs, joined.curves, joined.training)
    return analysis


def test_equal_runs_are_shown_once():
    theirs, mine = part("theirs"), renamed(part("mine", own=True), "wave", "new")
    joined = join([mine, theirs])
    assert sorted(set(joined.runs["method"])) == ["new", "random", "wave"]
    assert len(joined.runs) == 18 and len(joined.curves) == 18 * 6
    assert set(joined.runs.loc[joined.runs["method"] == "wave", "source"]) == {"theirs"}
    assert set(joined.runs.loc[joined.runs["method"] != "wave", "source"]) == {"mine (own)"}
    assert "6 runs of random are in mine and theirs: shown once" in joined.notes
    said = [s.text for s in sentences(of(joined))]
    assert "Your own rows (mine): random and new." in said
    assert "Joined from a table, not run by you (theirs): wave." in said
    header, *_ = [table.header for name, table in tables_of(of(joined)).items() if name == "top1"]
    assert header[:2] == ["method", "source"]


def test_on_one_kind_of_device_seeds_pair_across_sources():
    mine = renamed(part("mine", own=True), "wave", "new")
    comparisons = of(join([mine, part("theirs")])).comparisons
    pair = comparisons[(comparisons["method_a"] == "new") & (comparisons["method_b"] == "wave")]
    assert len(pair) == 3 and (pair["n"] == 3).all()


def test_other_numbers_of_one_identity_are_both_kept_and_named():
    theirs = part("theirs")
    mine = moved(part("mine", own=True), device="Test CPU")
    joined = join([mine, theirs])
    assert sorted(set(joined.runs["method"])) == ["random@mine", "random@theirs", "wave@mine", "wave@theirs"]
    assert len(joined.runs) == 24 and joined.runs["run"].is_unique
    assert any("6 of 6 runs of the same identity have other numbers" in note for note in joined.notes)
    kept = joined.runs.set_index("run")["top1"]
    expected = {**dict(zip(mine.runs["run"], mine.runs["top1"], strict=True))}
    expected |= {f"{run}@theirs": top1 for run, top1 in zip(theirs.runs["run"], theirs.runs["top1"], strict=True)}
    assert kept.to_dict() == expected
    ends = joined.curves.sort_values("step").groupby("run")["top1"].last()
    assert ends.to_dict().keys() == expected.keys()


def test_another_identity_under_a_label_is_never_averaged():
    theirs = part("theirs")
    runs = theirs.runs.assign(run=theirs.runs["run"].where(theirs.runs["method"] == "random", theirs.runs["run"] + "x"))
    mine = Part("mine", "mine.csv", True, runs, theirs.curves, NONE)
    joined = join([mine, theirs])
    assert sorted(set(joined.runs["method"])) == ["random", "wave@mine", "wave@theirs"]
    assert "wave: 6 runs of another identity at the same sizes and seeds (mine, theirs): kept apart" in joined.notes
    assert (joined.runs.groupby(["method", "target", "seed"]).size() == 1).all()


def test_more_seeds_of_a_label_that_both_have_run():
    few, many = (part(name, make(methods=("random", "wave"), depths=(2,), seeds=n)) for name, n in (("a", 3), ("b", 5)))
    many = Part("b", "b", False, many.runs, many.curves, NONE)
    few.runs["top1"] = many.runs.set_index("run")["top1"].reindex(few.runs["run"]).to_numpy()
    for name in ("top1_init", "top5", "best_top1", "loss"):
        few.runs[name] = many.runs.set_index("run")[name].reindex(few.runs["run"]).to_numpy()
    joined = join([few, many])
    assert joined.runs.groupby("method").size().to_dict() == {"random": 5, "wave": 5}
    assert joined.runs.groupby("source").size().to_dict() == {"a": 6, "b": 4}


def test_a_run_that_one_has_finished_counts_for_both():
    theirs, mine = part("theirs"), part("mine", own=True)
    unfinished = mine.runs["seed"] > 0
    mine.runs.loc[unfinished, ["status", "reason"]] = ["pending", ""]
    mine.runs.loc[unfinished, ["top1", "top5", "best_top1", "loss", "top1_init"]] = np.nan
    joined = join([mine, theirs])
    assert set(joined.runs["status"]) == {"done"} and len(joined.runs) == 12
    # on another kind of device there is nothing that tells whether the numbers would be equal
    other, theirs = moved(part("mine", own=True)), part("theirs")
    for runs, pending in ((other.runs, unfinished), (theirs.runs, ~unfinished)):
        runs.loc[pending, ["status", "top1"]] = ["pending", np.nan]
    assert "random@mine" in set(join([other, theirs]).runs["method"])


def test_a_label_may_have_another_name():
    theirs, mine = part("theirs"), part("mine", own=True)
    mine.runs["method"] = mine.runs["method"].replace({"random": "baseline"})
    joined = join([theirs, mine])
    assert set(joined.runs["method"]) == {"random", "wave"}
    assert "6 runs of random are in theirs and mine: shown once; mine calls it baseline" in joined.notes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"engine": 2}, "engine: 1 in theirs, 2 in mine"),
        ({"recipe": '{"epochs":6}'}, "recipe: epochs 5 in theirs, epochs 6 in mine"),
        ({"data": "d2"}, "images of digits: d1 in theirs, d2 in mine"),
        ({"budget": "total"}, "budget: epochs in theirs, total in mine"),
        ({"dataset": "letters"}, "data set: digits in theirs, letters in mine"),
        ({"recipe": "", "epochs": 7.0}, "epochs: 5.0 in theirs, 7.0 in mine"),
        ({"data": "", "train_images": 100}, "training images of digits in an epoch: 1077 in theirs, 20 in mine"),
    ],
)
def test_another_engine_data_set_or_recipe_is_refused(change, words):
    theirs, mine = part("theirs"), moved(renamed(part("mine", own=True, **change), "wave", "new"), device="Test CPU")
    mine.runs["run"] = mine.runs["run"] + "-other"
    with pytest.raises(UsageError, match="expected results of one engine") as refused:
        join([theirs, mine])
    assert words in str(refused.value)
    across = join([theirs, mine], across=True)
    assert any(words in note for note in across.notes)
    assert set(across.runs["setting"]) == {1, 2} and len(set(across.runs["block"])) == 2
    for analysis in analyse(across.runs, across.curves, across.training):
        both = analysis.comparisons[["method_a", "method_b"]].isin(["new"]).any(axis=1)
        assert not analysis.comparisons[both & analysis.comparisons.isin(["wave"]).any(axis=1)].size
        assert analysis.across.empty and analysis.shift.empty


def test_tables_of_older_versions_are_joined_by_a_run_that_both_have(tmp_path):
    old = part("old")
    columns = ["data", "recipe", "caution", "source", "setting", "block", "families", "fingerprint", "head_used"]
    write_runs(old.runs.drop(columns=columns), tmp_path / "runs.csv")
    old = Part("old", "old.csv", False, read_runs(tmp_path / "runs.csv"), old.curves, NONE)
    mine = renamed(part("mine", own=True), "wave", "new")
    assert set(join([mine, old]).runs["method"]) == {"random", "new", "wave"}
    strange = renamed(mine, "random", "other")
    with pytest.raises(
        UsageError, match="data and recipe: not told by old, of an older version, and no run is in both"
    ):
        join([strange, old])


def test_targets_of_one_name_and_several_sizes_are_refused():
    with pytest.raises(UsageError, match="target L2-d64 has several sizes: num_heads 2, 4"):
        join([part("a"), part("b", num_heads=4)], across=True)


def test_suites_are_joined_by_name_where_a_source_has_several():
    frames = [make(suite=name, methods=("random", "wave"), depths=(2,)) for name in ("one", "two")]
    both = tuple(pd.concat(side, ignore_index=True) for side in zip(*frames, strict=True))
    joined = join([part("a", both), part("b", frames[0])])
    assert joined.runs.groupby("suite").size().to_dict() == {"one": 6, "two": 6}
    with pytest.raises(UsageError, match="expected a suite of the same name in several, or one suite in each"):
        join([part("a", both), part("b", make(suite="three"))])


def test_declared_families_keep_their_labels_and_what_is_joined_gets_one():
    declared = '{"main":{"against":"random","labels":["wave"],"margin":1.0}}'
    theirs = part("theirs", families=declared)
    apart = join([moved(renamed(part("mine", own=True), "wave", "new")), theirs])
    assert [(f.name, f.pairs) for f in of(apart).families] == [("main", (("wave", "random@theirs"),))]
    joined = join([renamed(part("mine", own=True), "wave", "new"), theirs])
    names = {family.name: family.pairs for family in of(joined).families}
    assert names["main"] == (("wave", "random"),) and len(names["joined on Test CPU"]) == 3


def test_what_was_trained_is_of_the_new_labels():
    theirs, mine = part("theirs"), moved(part("mine", own=True))
    theirs, mine = (
        Part(p.source, p.place, p.is_own, p.runs, p.curves, make_training(p.runs, fits=("aux",)))
        for p in (theirs, mine)
    )
    training = join([mine, theirs]).training
    assert set(training["used_by"]) == {"wave@mine", "wave@theirs"} and set(training["suite"]) == {"tiny"}


def on_two_devices(seeds=6):
    """My method beside random; theirs has random and wave; my device adds 1 point to all."""
    frames = make(methods=("random", "wave"), depths=(2, 4), seeds=seeds)
    return [moved(renamed(part("mine", frames, own=True), "wave", "new"), points=1.0), part("theirs", frames)]


def test_across_devices_labels_are_compared_through_those_that_both_have_run():
    parts = on_two_devices()
    analysis = of(join(parts))
    assert analysis.comparisons["method_a"].tolist() == ["random@mine"] * 3 + ["random@theirs"] * 3
    assert not any(analysis.best["top1"].values()) or set(analysis.best["top1"].values()) <= {"new", "wave"}
    (shift,) = analysis.shift.to_dict("records")
    means = [p.runs.pivot_table(index="seed", columns=["method", "target"], values="top1") for p in parts]
    moved_by = (means[1]["random"] - means[0]["random"]).mean(axis=1)
    assert shift["shift"] == pytest.approx(moved_by.mean()) and shift["n"] == 6
    assert shift["low"] == pytest.approx(stats.t.interval(0.95, 5, moved_by.mean(), stats.sem(moved_by))[0])
    (row,) = analysis.across.to_dict("records")
    a = (means[0]["new"] - means[0]["random"]).mean(axis=1)
    b = (means[1]["wave"] - means[1]["random"]).mean(axis=1)
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert (row["method_a"], row["method_b"], row["cells"]) == ("new", "wave", 2)
    assert row["difference"] == pytest.approx(a.mean() - b.mean())
    assert row["p"] == row["p_holm"] == pytest.approx(expected.pvalue)
    assert row["low"] == pytest.approx(expected.confidence_interval(0.95).low)
    said = [s for s in sentences(analysis) if s.kind == "across"]
    assert len(said) == 1 and "through what both have run (shift in points: random@mine -1." in said[0].text
    table = tables_of(analysis)["top1"]
    marked = {row[0].text for row in table.rows if "†" in row[1].text}
    assert marked == {"random@theirs", "wave"} and "another kind of device" in table.notes[0]


def test_without_a_shared_label_nothing_is_said_across_devices():
    mine, theirs = on_two_devices()
    mine = renamed(mine, "random", "baseline")
    analysis = of(join([mine, theirs]))
    assert analysis.shift.empty and analysis.across.empty
    (said,) = [s.text for s in sentences(analysis) if "nothing is compared" in s.text]
    assert said.startswith("Between Other CPU and Test CPU nothing is compared")


def test_few_seeds_show_the_shift_and_name_no_better_one():
    analysis = of(join(on_two_devices(seeds=4)))
    said = [s for s in sentences(analysis) if "through what both have run" in s.text]
    assert [s.kind for s in said] == ["not shown"] and "random@mine -1." in said[0].text


def test_a_joined_table_is_read_back_as_it_is(tmp_path):
    joined = join(on_two_devices())
    write_runs(joined.runs, tmp_path / "runs.csv")
    again = read_runs(tmp_path / "runs.csv")
    pd.testing.assert_frame_equal(again, joined.runs)
    first, second = (analyse(runs, joined.curves)[0] for runs in (joined.runs, again))
    assert [s.text for s in sentences(first)] == [s.text for s in sentences(second)]


def test_welch_of_what_tells_nothing():
    assert welch(np.array([1.0]), np.array([1.0, 2.0])).p != welch(np.array([1.0]), np.array([1.0, 2.0])).p
    assert np.isnan(welch(np.array([1.0, 1.0]), np.array([2.0, 2.0])).low)


def test_every_picture_is_drawn_of_two_devices(tmp_path):
    joined = join(on_two_devices(seeds=3))
    paths = write_report(joined.runs, joined.curves, tmp_path, title="t", training=joined.training)
    names = {path.name for path in paths}
    assert {"across.csv", "shift.csv", "accuracy_vs_size.svg", "paired_differences.svg", "break_even.svg"} <= names
    assert "critical_difference.svg" not in names


def test_costs_to_reach_random_are_of_the_same_device():
    analysis = of(join(on_two_devices()))
    goals = analysis.reach[analysis.reach["factor"] == 1.0].set_index(["method", "target"])["goal"]
    runs = analysis.section.runs.groupby(["method", "target"])["top1"].mean()
    for label, other in (("new", "random@mine"), ("wave", "random@theirs")):
        for target in analysis.section.targets:
            assert goals[label, target] == pytest.approx(runs[other, target])
