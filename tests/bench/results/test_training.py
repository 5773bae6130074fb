"""training.csv: a row per job, fit and epoch, of what is done and of what is not."""

import csv
import json

import pytest

from bench.store import JobDir
from tests.bench.tiny import bench, write

BATCH = 216
STEPS = 1077 // BATCH  # of an epoch of the digits


def table(results):
    with (results / "tiny" / "training.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_epoch_of_everything_that_is_trained(tiny_results):
    rows = table(tiny_results)
    runs = [row for row in rows if row["kind"] == "run"]
    assert len(runs) == 18 * 2 and {row["fit"] for row in runs} == {"run"}
    assert {row["used_by"] for row in runs} >= {"wave-L3-d16-digits-s1", "random-L1-d16-digits-s0"}
    assert {(row["step"], row["images"], row["epoch"]) for row in runs} == {
        (str(epoch * STEPS), str(epoch * STEPS * BATCH), f"{epoch}.0") for epoch in (1, 2)
    }
    others = {(row["kind"], row["used_by"], row["fit"]) for row in rows if row["kind"] != "run"}
    assert {("ancestor", "weight_selection sws wave", "ancestor"), ("learngene", "sws", "aux")} <= others
    assert {("learngene", "wave", "aux"), ("start", "wave", "scalers")} <= others
    starts = [row for row in rows if row["kind"] == "start"]
    jobs = {row["job"] for row in starts}
    assert [row["step"] for row in starts] == ["1", "2", "3", "4", "5"] * len(jobs), "a batch is all that they train on"
    assert {row["suite"] for row in rows} == {"tiny"} and {row["dataset"] for row in rows} == {"digits"}


def test_the_numbers_are_those_of_the_results(tiny_results):
    for row in table(tiny_results):
        result = JobDir(tiny_results / "jobs" / row["kind"] / row["job"]).result()
        (point,) = (p for p in result["training"][row["fit"]] if p["step"] == int(row["step"]))
        assert [float(row[name]) for name in ("epoch", "images", "loss", "lr")] == [
            point[name] for name in ("epoch", "images", "loss", "lr")
        ]


@pytest.fixture
def done(tiny_results, tmp_path):
    return write(tmp_path), tiny_results


def test_what_is_not_done_is_read_from_its_log(done):
    """And the same rows come of it; a fit that went on from a checkpoint says an epoch twice, and has it once."""
    suite, results = done
    before = (results / "tiny" / "training.csv").read_bytes()
    for path in results.glob("jobs/*/*/result.json"):
        path.unlink()
        log = path.with_name("log.jsonl")
        events = [line for line in log.read_text().splitlines() if json.loads(line)["event"] == "train"]
        log.write_text("\n".join([*log.read_text().splitlines(), *events]) + "\n")
    (results / "tiny" / "training.csv").unlink()
    assert bench("report", suite, "--results", results, "--out", results / "tiny") == 0
    assert (results / "tiny" / "training.csv").read_bytes() == before


def test_results_of_before_have_no_rows_and_the_report_goes_through_its_files(done, tmp_path):
    suite, results = done
    for path in results.glob("jobs/run/*/result.json"):
        folder = JobDir(path.parent)
        folder.write_described({name: value for name, value in folder.result().items() if name != "training"})
    assert bench("report", suite, "--results", results) == 0
    assert {row["kind"] for row in table(results)} == {"ancestor", "learngene", "start"}
    assert bench("report", "--from", results / "tiny" / "runs.csv", "--out", tmp_path / "again") == 0
    for name in ("training.csv", "own_training.svg"):
        assert (tmp_path / "again" / name).read_bytes() == (results / "tiny" / name).read_bytes()
