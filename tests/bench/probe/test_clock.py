"""The clock that jobs are timed by."""

import time

import pytest
import torch

from bench.probe import clock


@pytest.fixture
def clocks(monkeypatch):
    """What is asked, in order: the process's clock says 5, that on the wall 7."""
    asked = []
    monkeypatch.setattr(time, "process_time", lambda: asked.append("process") or 5.0)
    monkeypatch.setattr(time, "perf_counter", lambda: asked.append("wall") or 7.0)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: asked.append("synchronize"))
    return asked


def test_on_a_cpu_time_is_what_the_process_uses(clocks):
    """Not what passes on the wall, which others on the machine lengthen."""
    assert clock.seconds(torch.device("cpu")) == 5.0
    assert clocks == ["process"], "there is nothing to wait for"


def test_on_a_gpu_it_is_read_when_all_that_was_started_is_done(clocks):
    assert clock.seconds(torch.device("cuda", 1)) == 7.0
    assert clocks == ["synchronize", "wall"]
