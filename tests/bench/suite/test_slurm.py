"""The `slurm:` section: validated with the suite, on machines that have no Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.suite import load
from bench.suite.slurm import OPTIONS, OWN, Slurm, extras, megabytes
from tests.bench.tiny import SUITE, bench, write

BAD = {
    "{partitionn: low}": "slurm.partitionn: unknown key 'partitionn'; did you mean 'partition'?",
    "{gpu: 1}": "did you mean 'gpus'?",
    "{time: 1h}": "slurm.time: expected a whole number, found '1h'",
    "{time: 0}": "slurm.time: expected at least 1, found 0",
    "{memory: 2}": "slurm.memory: expected a string, found 2",
    "{memory: lots}": "slurm.memory: expected",
    "{runs_per_job: 0}": "slurm.runs_per_job: expected at least 1",
    "{run: {qoss: high}}": "slurm.run.qoss: unknown key 'qoss'; did you mean 'qos'?",
    "{retries: {dead: 2}}": "slurm.retries.dead: unknown key 'dead'; did you mean 'died'?",
    "{array: 0-3}": "'array' cannot be set: it is set by bench",
    "{run: {mem: 4G}}": "'mem' cannot be set: say 'memory'",
    "{ntasks: 2}": "one task on one node",
}


@pytest.mark.parametrize("section", BAD)
def test_what_is_wrong_is_said_before_anything_starts(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write(tmp_path, f"{SUITE}slurm: {section}\n")
    assert bench("run", suite, "--results", tmp_path / "results") == 2
    said = capsys.readouterr().err
    assert BAD[section] in said and f"{suite}:{len(SUITE.splitlines()) + 1}: " in said
    assert not (tmp_path / "results").exists()


CONTRADICTIONS = {
    "3 {nodes: 2}": "2 nodes cannot share the work of gpus_per_run: 3 equally",
    "1 {nodes: 2}": "2 nodes cannot share the work of gpus_per_run: 1 equally",
    "8 {nodes: 2, gpus: 8}": "2 nodes with gpus: 8 are 16 GPUs; expected gpus_per_run: 16",
    "4 {run: {nodes: 2, workers: 2}}": "workers: 2 cannot be: a job that is on several nodes has them to itself",
    "4 {gpus: 4, workers: 2}": "gpus_per_run: 4 and workers: 2 take gpus: 8, found 4",
    "4 {gpus: 2}": "gpus_per_run: 4 and workers: 1 take gpus: 4, found 2",
}


@pytest.mark.parametrize("section", CONTRADICTIONS)
def test_devices_of_a_run_must_fit_what_is_asked_for(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    each, _, slurm = section.partition(" ")
    suite = write(tmp_path, f"{SUITE}gpus_per_run: {each}\nslurm: {slurm}\n")
    assert bench("run", suite, "--results", tmp_path / "results") == 2
    said = capsys.readouterr().err
    assert f"slurm: {CONTRADICTIONS[section]}" in said and f"{suite}:{len(SUITE.splitlines()) + 2}: " in said


@pytest.mark.parametrize(
    "section", ["1 {gpus: 1, workers: 3}", "16 {nodes: 2, gpus: 8}", "4 {gpus: 8}", "2 {nodes: 2}"]
)
def test_and_these_do(section: str, tmp_path: Path) -> None:
    each, _, slurm = section.partition(" ")
    assert load(write(tmp_path, f"{SUITE}gpus_per_run: {each}\nslurm: {slurm}\n")).file.slurm is not None


def test_an_unknown_key_lists_the_valid_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("plan", write(tmp_path, f"{SUITE}slurm: {{foo: 1}}\n")) == 2
    said = capsys.readouterr().err
    assert all(f" {name.replace('-', '_')}" in said for name in ("qos", "setup", "workers", *OPTIONS))


def test_on_the_command_line_and_in_sbatch_s_spelling(tmp_path: Path) -> None:
    suite = load(write(tmp_path), ["slurm.partition=low", "slurm.mail-type=END", "slurm.run.mail_type=FAIL"])
    assert suite.file.slurm is not None
    assert extras(suite.file.slurm.of("ancestor")) == {"mail-type": "END"}
    assert extras(suite.file.slurm.of("run")) == {"mail-type": "FAIL"}
    assert suite.file.slurm.of("run").partition == "low"


def test_defaults_are_modest_and_kinds_differ() -> None:
    plain = Slurm().of("run")
    assert (plain.cpus, plain.memory, plain.time, plain.gpus, plain.partition) == (1, "2GB", 60, 0, None)
    section = Slurm.model_validate({"time": 10, "runs_per_job": 5, "ancestor": {"time": 99, "gpus": 1}})
    assert [section.of(k).time for k in ("ancestor", "learngene", "start", "run")] == [99, 10, 10, 10]
    assert [section.of(k).runs_per_job for k in ("ancestor", "learngene", "start", "run")] == [1, 1, 5, 5]


def test_memory_counts_as_sbatch_does() -> None:
    assert [megabytes(text) for text in ("500M", "500MB", "2G", "2GB", "1TB")] == [500, 500, 2048, 2048, 1048576]


def test_no_option_is_both_offered_and_refused() -> None:
    assert not set(OPTIONS) & set(OWN)
