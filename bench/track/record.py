"""What there is to tell of each job of a plan: facts that do not change, and numbers by series and step."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from bench.files import mismatch
from bench.identity import canonical
from bench.plan import Plan, RunCell
from bench.results.states import JobStates
from bench.results.training import users_of
from bench.store import log
from bench.store.result_shapes import POINT, SCORES
from bench.train.curve import points as points_of_log

Key = tuple[str, int]  # series and step
Shown = Literal["open", "running", "done", "failed"]  # of the states of jobs; all others are "open" in a tracker
LINE = {"fit": str, "step": int, "loss": float, "lr": float, "images_per_second": float, "time?": float}
EVALUATED = ("top1", "val_top1", "loss")
ENDS = (*SCORES, "top1_init", "best_top1", "epochs", "params", "stored_params", "stored_params_head", "stored_bytes")
COSTS = ("images", "flops", "seconds", "energy_joules")
MEASURED = {"seconds", "energy_joules", "peak_memory_bytes"}  # other each time that a job is done
ODD = re.compile(r"[^A-Za-z0-9_. -]")  # what names of series cannot have everywhere


@dataclass(frozen=True)
class Point:
    """A number of a series. step: optimiser steps so far, 0 where there are none. time: seconds since 1970, as far as
    it is known. fixed: whether the identity decides it; how fast something went, it does not."""

    series: str
    step: int
    value: float
    time: float
    fixed: bool = True

    @property
    def key(self) -> Key:
        return self.series, self.step


@dataclass(frozen=True)
class Record:
    """A job that was begun. name: readable, with the suite's label where it is a run. began: when this execution of it
    was, in seconds since 1970: one that was made again has another. points: in the order of steps within a series."""

    id: str
    kind: str
    name: str
    suite: str
    state: Shown
    began: float
    facts: dict[str, str | int | float] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)


def records(plan: Plan, states: JobStates, told: Collection[str] = ()) -> Iterator[Record]:
    """Yield a record of each job of the plan that has any number to tell, what others need first; not of `told`."""
    users, cells = users_of(plan), {cell.run: cell for cell in plan.cells if not cell.skipped}
    for id, job in plan.jobs.items():
        if id in told or not states.begun(job):
            continue
        result, events = states.result(id), log.read(states.folder(id).log)
        points = points_of(result, events)
        if not points:
            continue
        datasets, used_by = users.get(id, ([], []))
        facts: dict[str, str | int | float] = {
            "suite": plan.suite.name,
            "kind": job.kind,
            "job": id,
            "dataset": " ".join(datasets),
        }
        facts |= _facts_of_run(cells[id]) if id in cells else {"used_by": " ".join(used_by)}
        name = f"{cells[id].name}-{id.rpartition('-')[2]}" if id in cells else id
        yield Record(id, job.kind, name, plan.suite.name, _state(states, id), _began(result, events), facts, points)


def points_of(result: dict[str, Any], events: list[dict[str, Any]]) -> list[Point]:
    """The numbers of a job: of one that is done from its result, and what only the log has, each once."""
    lines = [event for event in events if event.get("event") == "train" and not mismatch(event, LINE)]
    evals = [event for event in events if event.get("event") == "eval" and not mismatch(event, POINT)]
    times = {(event.get("fit"), event["step"]): float(event.get("time", 0.0)) for event in [*evals, *lines]}
    last = float(events[-1].get("time", 0.0)) if events else _started(result)
    points: dict[Key, Point] = {}

    def add(group: str, name: str, step: int, value: Any, time: float, *, fixed: bool = True) -> None:
        series = f"{ODD.sub('_', group)}/{name}"
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            points.setdefault((series, step), Point(series, step, float(value), time, fixed))

    for fit, epochs in (result.get("training", {}) if result else points_of_log(events)).items():
        for point in epochs:
            when = times.get((fit, point["step"]), last)
            add(fit, "epoch_loss", point["step"], point.get("loss"), when)
            add(fit, "lr", point["step"], point.get("lr"), when)
    for line in lines:
        when = times[line["fit"], line["step"]]
        add(line["fit"], "lr", line["step"], line["lr"], when)
        for name in ("loss", "images_per_second"):
            add(line["fit"], name, line["step"], line[name], when, fixed=False)
    ends = result.get("evals") if result else list({event["step"]: event for event in evals}.values())
    for point in ends or []:
        for name in EVALUATED:
            add("eval", name, point["step"], point.get(name), times.get(("run", point["step"]), last))
    end = ends[-1]["step"] if ends and result else 0
    for name in ENDS if result else ():
        add("result", name, end, result.get(name), last)
    if result:
        for name in COSTS:
            add("result", name, end, result["cost"].get(name), last, fixed=name not in MEASURED)
        add("result", "peak_memory_bytes", end, result.get("peak_memory_bytes"), last, fixed=False)
    return sorted(points.values(), key=lambda point: point.key)


def _facts_of_run(cell: RunCell) -> dict[str, str | int | float]:
    spec = cell.spec
    return {
        "method": cell.method.label,
        "method_use": cell.method.use,
        "options": canonical(cell.method.options(cell.initializer)),
        "target": cell.target,
        **{name: getattr(spec, name) for name in ("embed_dim", "depth", "num_heads")},
        "seed": cell.seed,
    }


def _state(states: JobStates, id: str) -> Shown:
    state = states.state(id)[0]
    return state if state in get_args(Shown) else "open"  # type: ignore[return-value]


def _began(result: dict[str, Any], events: list[dict[str, Any]]) -> float:
    """When the log begins: a job that is interrupted goes on in it, one that is made anew has another."""
    return float(events[0].get("time", 0.0)) if events else _started(result)


def _started(result: dict[str, Any]) -> float:
    try:
        return datetime.fromisoformat(result["started_at"]).timestamp()
    except (KeyError, ValueError):
        return 0.0
