"""Families of tests from a suite file to comparisons.csv, and the same from runs.csv alone."""

import json

import pandas as pd

from tests.bench.tiny import SUITE, bench, rows, write

FAMILIES = "families: {main: {among: [random, sws], margin: 2}, floor: {against: random, labels: [weight_selection]}}"


def test_runs_csv_carries_families_and_a_report_from_it_is_the_same(tmp_path):
    suite = write(tmp_path, SUITE.replace("seeds: 2", f"seeds: 3\n{FAMILIES}").replace("epochs: 2", "epochs: 1"))
    results = tmp_path / "results"
    only = ("--only", "random-*", "--only", "sws-*", "--only", "weight_selection-*")
    assert bench("run", suite, "--results", results, "--launcher", "inline", *only) == 0
    assert bench("report", suite, "--results", results, *only) == 0
    (families,) = {row["families"] for row in rows(results)}
    assert json.loads(families) == {
        "main": {"among": ["random", "sws"], "margin": 2.0, "metric": "top1"},
        "floor": {"against": "random", "labels": ["weight_selection"], "metric": "top1"},
    }
    assert bench("report", "--from", results / "tiny" / "runs.csv", "--out", tmp_path / "again") == 0
    for name in ("comparisons.csv", "table_differences.md", "runs.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (results / "tiny" / name).read_bytes(), name
    overall = pd.read_csv(tmp_path / "again" / "comparisons.csv").query("target == 'all targets'")
    pairs = overall[["family", "method_a", "method_b", "margin", "n"]].fillna(0).values.tolist()
    assert pairs == [["floor", "weight_selection", "random", 0, 3], ["main", "random", "sws", 2, 3]]
