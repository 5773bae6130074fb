"""MLflow: a database of one file, `mlflow.db`, with a run per job; the suite is its experiment."""

from __future__ import annotations

import logging
import os
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read at import; nothing here goes to a network
from mlflow.entities import Metric, Param, Run
from mlflow.tracking import MlflowClient

from bench import files
from bench.track.record import Point, Record, Shown
from bench.track.trackers.tracker import TrackedJob

DATABASE = "mlflow.db"
KEY, BEGAN = "bench.job", "bench.began"  # tags of a run
AT_ONCE = 1000  # metrics that MLflow takes in one call
LONGEST = 5000  # characters of a parameter
STATUS: dict[Shown, str] = {"open": "SCHEDULED", "running": "RUNNING", "done": "FINISHED", "failed": "FAILED"}


def open_tracker(folder: Path) -> Database:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = folder / DATABASE
    if not database.exists():
        for path in folder.glob(f".{DATABASE}.*.tmp*"):
            path.unlink()  # of a process that was killed
        beside = files.temporary(database)
        MlflowClient(uri(beside)).search_experiments()  # makes its tables
        os.replace(beside, database)
    return Database(folder, MlflowClient(uri(database)))


def uri(database: Path) -> str:
    return f"sqlite:///{database.absolute()}"


class Database:
    """Runs by their tag `bench.job`. Each call of MLflow is a transaction: what a kill interrupts is not there, and the
    next time what is missing is added."""

    def __init__(self, folder: Path, client: MlflowClient) -> None:
        self.folder, self.client = folder, client
        self.runs: dict[str, str] = {}  # id of MLflow by key
        experiments, token = [experiment.experiment_id for experiment in client.search_experiments()], None
        while True:
            page = client.search_runs(experiments, f"tags.`{KEY}` != ''", max_results=AT_ONCE, page_token=token)
            self.runs |= {run.data.tags[KEY]: run.info.run_id for run in page}
            token = page.token
            if not token:
                return

    def look_up(self, key: str) -> TrackedJob | None:
        if key not in self.runs:
            return None
        run = self.client.get_run(self.runs[key])
        points = {
            (metric.key, metric.step): metric.value
            for name in run.data.metrics
            for metric in self.client.get_metric_history(run.info.run_id, name)
        }
        state = next(state for state, status in STATUS.items() if status == run.info.status)
        return TrackedJob(points, float(run.data.tags[BEGAN]), state)

    def write(self, key: str, record: Record, new: list[Point]) -> None:
        id = self.runs.get(key) or self._new(key, record).info.run_id
        self.runs[key] = id
        metrics = [Metric(point.series, point.value, int(point.time * 1000), point.step) for point in new]
        for at in range(0, len(metrics), AT_ONCE):
            self.client.log_batch(id, metrics[at : at + AT_ONCE])
        over = record.state in ("done", "failed")
        ended = int(max((point.time for point in record.points), default=record.began) * 1000) if over else None
        if ended is not None:
            self.client.set_terminated(id, STATUS[record.state], ended)
        else:
            self.client.update_run(id, STATUS[record.state])

    def _new(self, key: str, record: Record) -> Run:
        """A run with what does not change of it."""
        experiment = self.client.get_experiment_by_name(record.suite)
        place = (self.folder / "artifacts").absolute().as_uri()
        where = experiment.experiment_id if experiment else self.client.create_experiment(record.suite, place)
        name = record.name + key.removeprefix(record.id)
        tags = {KEY: key, BEGAN: repr(record.began), "kind": record.kind}
        run = self.client.create_run(where, start_time=int(record.began * 1000), tags=tags, run_name=name)
        parameters = [Param(name, str(value)[:LONGEST]) for name, value in record.facts.items()]
        self.client.log_batch(run.info.run_id, params=parameters)
        return run

    def close(self) -> None:
        """Nothing is held."""

    def usage(self) -> str:
        return f"mlflow ui --backend-store-uri {uri(self.folder / DATABASE)}"
