"""runs.csv: what is written reads back equal; damaged and foreign files are refused with a clear message."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import (
    ReportError,
    frames,
    read_curves,
    read_runs,
    read_training,
    write_curves,
    write_runs,
    write_training,
)  # fmt: skip
from bench.report.columns import CONTRACT, RUNS, TRAINING
from tests.bench.report.report_frames import make_training


def test_round_trip_is_exact(make_frames, tmp_path):
    runs, curves = make_frames()
    runs.loc[0, ["method", "reason"]] = ["NA", 'a "quoted", line\nand ünïcode']
    runs.loc[1, ["top1", "train_flops"]] = [0.1 + 0.2, 4.123456789012345e19]
    runs["note"] = "kept"
    write_runs(runs, tmp_path / "runs.csv")
    write_curves(curves, tmp_path / "curves.csv")
    pd.testing.assert_frame_equal(read_runs(tmp_path / "runs.csv"), runs, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(read_curves(tmp_path / "curves.csv"), curves, check_exact=True)
    assert "0.30000000000000004" in (tmp_path / "runs.csv").read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.csv", "runs.csv"]  # no temporary file is left


CELLS = {
    "object": st.one_of(st.text(max_size=6), st.none(), st.floats(), st.integers(), st.booleans()),
    "float64": st.floats(),
    "Int64": st.one_of(st.integers(-(2**62), 2**62), st.none()),
    "int64": st.integers(-(2**62), 2**62),
    "boolean": st.one_of(st.booleans(), st.none()),
    "bool": st.booleans(),
}
COLUMNS = {f"{kind}_{way}": cells for kind, cells in CELLS.items() for way in "ab"}


@given(st.lists(st.fixed_dictionaries(COLUMNS), max_size=5))
def test_csv_is_what_pandas_writes(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    frame = pd.DataFrame({name: pd.array(cells, dtype=name.partition("_")[0]) for name, cells in columns.items()})
    for some in (frame, frame[["object_a"]], frame.assign(float64_a=np.nan)):
        frames.write_csv(some, path)
        assert path.read_bytes().decode() == some.to_csv(index=False, lineterminator="\n")


def test_training_reads_back_equal_and_may_be_missing(make_frames, tmp_path):
    training = make_training(make_frames()[0])
    training.loc[0, "loss"] = 0.1 + 0.2
    write_training(training, tmp_path / "training.csv")
    pd.testing.assert_frame_equal(read_training(tmp_path / "training.csv"), training, check_exact=True)
    assert list(training.columns) == [c.name for c in TRAINING] and len(training) > 10
    assert len(read_training(tmp_path / "none.csv")) == 0
    (tmp_path / "training.csv").write_text(training.drop(columns="step").to_csv(index=False))
    with pytest.raises(ReportError, match="columns are missing: step"):
        read_training(tmp_path / "training.csv")


def test_contract_columns_come_first_and_extras_are_optional(make_frames, tmp_path):
    runs, _ = make_frames()
    assert list(runs.columns) == [c.name for c in RUNS]
    runs[[c.name for c in CONTRACT]].to_csv(tmp_path / "runs.csv", index=False)
    assert read_runs(tmp_path / "runs.csv")["log"].tolist() == [""] * len(runs)


def test_rows_that_are_not_done_may_lack_their_numbers(make_frames, tmp_path):
    runs, _ = make_frames()
    runs.loc[0, "status"] = "pending"
    runs.loc[0, ["top1", "train_flops", "macs"]] = None
    write_runs(runs, tmp_path / "runs.csv")
    assert read_runs(tmp_path / "runs.csv")["macs"].isna().tolist()[:2] == [True, False]


def damage(text, how):
    lines = text.splitlines(keepends=True)
    return {
        "cut off": "".join(lines[:3]) + lines[3][: len(lines[3]) // 2],
        "empty": "",
        "foreign": "a,b\n1,2\n",
        "foreign lines": "one: two\nthree, four\n",
        "semicolons": text.replace(",", ";"),
        "no header": "".join(lines[1:]),
        "no csv": "\x00\x01\x02",
        "column gone": text.replace("top1_init", "top_init", 1),
        "no number": text.replace(",64,", ",sixty-four,", 1),
        "status": text.replace(",done,", ",finished,", 1),
        "run twice": "".join([*lines, lines[1]]),
        "column twice": text.replace("best_top1", "top1", 1),
    }[how]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("cut off", "row 4: expected .* fields, found .*cut off"),
        ("empty", "found an empty file"),
        ("foreign", "not one of this project's results: expected columns such as suite, run"),
        ("foreign lines", "not one of this project's results: .* found one: two"),
        ("semicolons", r"not one of this project's results: .*, found suite;run;metho\S+$"),
        ("no header", "not one of this project's results"),
        ("no csv", "expected"),
        ("column gone", r"columns are missing: top1_init \(found 'top_init'\)"),
        ("no number", r"row 2 .*embed_dim: expected a whole number, found 'sixty-four'"),
        ("status", r"row 2 .*column status: expected one of pending, .*found 'finished'"),
        ("run twice", "column run: expected every run of a suite once"),
        ("column twice", "expected every column once, found top1 twice"),
    ],
)
def test_damaged_files_are_refused(make_frames, tmp_path, how, says):
    path = tmp_path / "runs.csv"
    write_runs(make_frames()[0], path)
    path.write_text(damage(path.read_text(), how))
    with pytest.raises(ReportError, match=says) as error:
        read_runs(path)
    assert str(error.value).startswith(str(path))
    assert error.value.exit_code == 2


def test_impossible_values_are_refused(make_frames, tmp_path):
    runs, _ = make_frames()
    wrong = [
        ("seed", None, "since the run is done"),
        ("top1", 123.0, "between 0 and 100, found 123.0$"),
        ("top1", None, "since the run is done"),
    ]
    wrong += [("ancestor_each", text, "expected empty, or JSON") for text in ("{", "{}", "[1]", '{"a": {"flops": 1}}')]
    for column, value, says in wrong:
        broken = runs.copy()
        broken.loc[4, column] = value
        write_runs(broken, tmp_path / "runs.csv")
        with pytest.raises(ReportError, match=f"row 6 .*{says}"):
            read_runs(tmp_path / "runs.csv")


def test_what_lies_beside_packed_runs_may_be_packed_too(make_frames, tmp_path):
    _, curves = make_frames()
    assert read_curves(tmp_path / "curves.csv").empty
    write_curves(curves, tmp_path / "plain.csv")
    (tmp_path / "curves.csv.gz").write_bytes(gzip.compress((tmp_path / "plain.csv").read_bytes()))
    assert read_curves(tmp_path / "curves.csv").equals(read_curves(tmp_path / "plain.csv"))
    write_curves(curves[:3], tmp_path / "curves.csv")  # what is there by its own name counts
    assert len(read_curves(tmp_path / "curves.csv")) == 3


def test_packed_files_are_read_and_damaged_ones_named(make_frames, tmp_path, monkeypatch):
    runs, _ = make_frames()
    write_runs(runs, tmp_path / "runs.csv")
    content = gzip.compress((tmp_path / "runs.csv").read_bytes())
    packed = tmp_path / "runs.csv.gz"
    packed.write_bytes(content)
    assert read_runs(packed).equals(read_runs(tmp_path / "runs.csv"))
    for damaged in (b"suite,run", content[:-40], content[:20] + b"\0" * 20 + content[40:]):
        packed.write_bytes(damaged)
        with pytest.raises(ReportError, match="expected a CSV file in UTF-8, packed by gzip, found"):
            read_runs(packed)
    packed.write_bytes(content)
    monkeypatch.setattr(frames, "LARGEST", 1000)
    with pytest.raises(ReportError, match=f"more than 1000 bytes in {len(content)}"):
        read_runs(packed)


def test_missing_file_and_binary_file(tmp_path):
    with pytest.raises(ReportError, match="no such file"):
        read_runs(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReportError, match="expected a CSV file in UTF-8"):
        read_runs(tmp_path / "x.csv")
    with pytest.raises(ReportError, match="expected a CSV file, found a folder; is it .*runs.csv"):
        read_runs(tmp_path)
    assert len(read_curves(tmp_path / "none.csv")) == 0
