"""The sbatch scripts, word for word. They are made without a Slurm; UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from bench.launch import slurm
from bench.store import Store
from tests.bench.plans import Planner
from tests.bench.tiny import SUITE, bench, write

SECTIONS = {
    "defaults": "slurm: {}",
    "packed": """slurm:
  {partition: gpu, account: lab, qos: low, gpus: 1, cpus: 4, memory: 16GB, time: 240, runs_per_job: 2}""",
    "kinds": """slurm:
  constraint: a100
  array_parallelism: 3
  setup: [module load cuda, source env.sh]
  mail-type: FAIL
  exclusive: true
  ancestor: {gpus: 2, time: 1440, memory: 64GB}
  run: {cpus: 2, time: 5}""",
    "nodes": """gpus_per_run: 16
slurm: {nodes: 2, gpus: 8, cpus: 64, memory: 200GB, time: 1440}""",
}


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slurm.squeue, "max_array_size", lambda: 3)

    def make(section: str) -> str:
        plan = Planner(tmp_path)(text=f"{SUITE}{section}\n", only=["random-*", "wave-L1-*"])
        text = "\n".join(slurm.scripts(plan, Store(tmp_path / "results")))
        return text.replace(str(tmp_path), "/FOLDER").replace(shlex.quote(sys.executable), "/PYTHON")

    return make


@pytest.mark.parametrize("name", SECTIONS)
def test_scripts_are_as_they_were(name: str, scripts) -> None:
    golden = Path(__file__).with_name("golden") / f"{name}.txt"
    text = scripts(SECTIONS[name]) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_plan_shows_them_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine without Slurm
    suite = write(tmp_path, f"{SUITE}slurm: {{partition: low}}\n")
    assert bench("plan", suite, "--launcher", "slurm", "--results", tmp_path / "results") == 0
    said = capsys.readouterr().out
    assert said.count("#!/bin/bash") == said.count("#SBATCH --partition=low") > 3
    assert not (tmp_path / "results").exists()
