"""Some seeded faults; tests/chaos/run.py does hundreds, of all kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_seeded_faults_leave_no_trace() -> None:
    command = [sys.executable, "-m", "tests.chaos.run", "--seeds", "2", "--first", "1005", "--few-pictures"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0 and "2 faults, 0 with a problem" in done.stdout, done.stdout + done.stderr
