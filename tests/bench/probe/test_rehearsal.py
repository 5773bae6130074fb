"""What a rehearsed job would take: its trainings by what they were extrapolated to, the rest as it was."""

from types import SimpleNamespace

import pytest
import torch

from bench.probe import clock
from bench.probe.rehearsal import Rehearsal


@pytest.fixture
def now(monkeypatch):
    """The clock, in a list."""
    now = [0.0]
    monkeypatch.setattr(clock, "seconds", lambda device: now[0])
    return now


@pytest.fixture
def rehearsal():
    session = SimpleNamespace(device=torch.device("cpu"))
    given = {"random_data": "images", "random_ancestor": lambda id: f"a model for {id}", "condensed": lambda id: id}
    return Rehearsal(SimpleNamespace(), None, session, **given)


def test_a_function_takes_what_passes_less_the_timing_of_its_trainings(rehearsal, now):
    def work():
        now[0] += 10.0
        rehearsal.labs.append(SimpleNamespace(spent=7.0, seconds=100.0))
        return "made"

    assert rehearsal.timed("condense", work) == "made"
    assert rehearsal.outside == 3.0 and rehearsal.seconds == 103.0
    rehearsal.timed("initialize", lambda: now.__setitem__(0, now[0] + 2.0))
    assert rehearsal.outside == 5.0, "what was spent before is in no later function"


def test_a_lab_that_was_there_before_counts_by_what_it_spent_meanwhile(rehearsal, now):
    lab = SimpleNamespace(spent=4.0, seconds=50.0)
    rehearsal.labs.append(lab)

    def work():
        now[0] += 6.0
        lab.spent += 5.0

    rehearsal.timed("initialize", work)
    assert rehearsal.outside == 1.0 and rehearsal.seconds == 51.0


def test_models_and_learngenes_are_made_for_it(rehearsal):
    assert rehearsal.data == "images" and rehearsal.learngene("l") == "l"
    assert rehearsal.ancestor("a") == "a model for a"
