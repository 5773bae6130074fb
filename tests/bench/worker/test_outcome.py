"""Outcomes as they are sent, and what an exception is."""

import json

import pytest
import torch

from bench.store import JobDir
from bench.worker.outcome import Outcome, Stop, fail, failure_of

OUTCOMES = [
    Outcome("done"),
    Outcome("failed", "boom", kind="memory", traceback="line 1"),
    Outcome("damaged", "gone", ("ancestor", "L1-d8-digits-s0-00")),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.state)
def test_an_outcome_reads_back_what_json_says(outcome):
    assert Outcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (RuntimeError("other"), "error"),
        (ValueError("first line\nsecond"), "error"),
    ],
)
def test_the_failure_that_an_exception_is(error, kind):
    try:
        raise error
    except Exception as raised:
        outcome = failure_of(raised)
    assert outcome.state == "failed" and outcome.kind == kind and "\n" not in outcome.message
    assert outcome.message.startswith(type(error).__name__) and "Traceback" in outcome.traceback


def test_a_failure_is_written_or_says_that_it_could_not_be(tmp_path):
    folder = JobDir(tmp_path / "job")
    assert fail(folder, Outcome("failed", "boom", kind="error")).message == "boom"
    assert {key: folder.failure()[key] for key in ("error", "kind")} == {"error": "boom", "kind": "error"}
    (tmp_path / "file").write_text("")
    nowhere = fail(JobDir(tmp_path / "file" / "job"), Outcome("failed", "boom", kind="error"))
    assert nowhere.message.startswith("boom (and the failure could not be written: ")


def test_a_session_learns_of_a_stop_that_came_before_it():
    stop, session = Stop(), type("Session", (), {})()
    stop.watch(session)
    assert session.stop is False
    stop()
    assert session.stop is True and stop.requested
    later = type("Session", (), {})()
    stop.watch(later)
    assert later.stop is True
