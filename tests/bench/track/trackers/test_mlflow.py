"""MLflow's client reads back what is in the database."""

from dataclasses import replace

import pytest

pytest.importorskip("mlflow", reason="needs the extra `mlflow`")
pytest.importorskip("sqlalchemy", reason="needs the extra `mlflow`")

from mlflow.tracking import MlflowClient

from bench.track.record import Point, Record
from bench.track.replay import Replay
from bench.track.trackers import open_tracker
from bench.track.trackers.mlflow import DATABASE, uri

ID = "wave-L3-d16-digits-s0-0123456789ab"
POINTS = [Point("run/loss", step, 1 / step, 1000.0 + step, fixed=False) for step in (1, 2, 3)]
POINTS += [Point("eval/top1", 0, 10.0, 1000.5)]
RECORD = Record(ID, "run", "mine-L3-0123456789ab", "tiny", "running", 999.0, {"method": "mine", "seed": 0}, POINTS)


def brought(folder, *records):
    replay = Replay(open_tracker("mlflow", folder))
    replay.bring(records)
    return replay.points


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an empty database: making one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    assert brought(folder) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path):
    (tmp_path / DATABASE).write_bytes((made / DATABASE).read_bytes())
    return tmp_path


def test_mlflow_reads_it_back(folder, made):
    assert brought(folder, RECORD) == 4 and brought(folder, RECORD) == 0
    assert brought(folder, replace(RECORD, state="done")) == 0
    client = MlflowClient(uri(folder / DATABASE))
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert (run.info.run_name, run.info.status, run.data.params["method"]) == (
        "mine-L3-0123456789ab",
        "FINISHED",
        "mine",
    )
    history = client.get_metric_history(run.info.run_id, "run/loss")
    assert [(m.step, m.value, m.timestamp) for m in sorted(history, key=lambda m: m.step)] == [
        (step, 1 / step, 1_000_000 + 1000 * step) for step in (1, 2, 3)
    ]
    assert {path.name for path in made.iterdir()} == {DATABASE}, "made beside, and renamed"


def test_what_comes_later_and_what_was_made_again(folder):
    brought(folder, replace(RECORD, points=POINTS[:2]))  # as a kill between two calls leaves it
    assert brought(folder, RECORD) == 2
    again = replace(RECORD, began=2000.0, points=[Point("eval/top1", 0, 11.0, 2000.5)])
    assert [brought(folder, one) for one in (again, RECORD, again)] == [1, 0, 0]
    client = MlflowClient(uri(folder / DATABASE))
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert {run.info.run_name for run in runs} == {"mine-L3-0123456789ab", "mine-L3-0123456789ab@2"}
