"""The clock that jobs are timed by."""

import time

import torch

from bench.probe import clock


def test_on_a_cpu_time_is_what_the_process_uses(monkeypatch):
    """Not what passes on the wall, which others on the machine lengthen."""
    monkeypatch.setattr(time, "process_time", lambda: 5.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 7.0)
    assert clock.seconds(torch.device("cpu")) == 5.0
