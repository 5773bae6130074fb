"""Preempted, a suite ends at the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.slurm_preemption import Trial
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm


def test_a_preempted_suite_equals_an_undisturbed_one(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the ancestor on; then two allocations, a node each, with two runs at once. One run in an allocation, and
    five times, is tests/chaos/slurm_preemption.py; the table is in results/reference/chaos.md."""
    monkeypatch.setenv("TIMES", "1")
    monkeypatch.syspath_prepend(str(tmp_path))
    trial = Trial(slurm, tmp_path, times=1)
    trial.submit("several")
    trial.preempt()
    trial.check("several")
