"""Preempted, a suite ends at the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.slurm_preemption import WISHES, Trial
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm


def test_preempted_suites_equal_an_undisturbed_one(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once with one run in an allocation, and once with both, on a node each, both ways at once, one of them from the
    ancestor on. tests/chaos/slurm_preemption.py preempts five times; the table is in results/reference/chaos.md."""
    monkeypatch.setenv("TIMES", "1")
    monkeypatch.syspath_prepend(str(tmp_path))
    trial = Trial(slurm, tmp_path, times=1)
    trial.submit("one", "ancestor", "learngene")
    trial.submit("several")
    trial.preempt()
    for way in WISHES:
        trial.check(way)
