"""The cluster that the other Slurm tests stand on does what they take for granted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.debian import missing

pytestmark = pytest.mark.slurm


def submit(cluster: Cluster, script: str, log: Path, *options: str) -> str:
    """Submits a shell script and returns the id of its job."""
    return cluster.call("sbatch", "--parsable", f"--output={log}", *options, f"--wrap={script}").strip()


def state(cluster: Cluster, job: str) -> dict[str, str]:
    """What the controller knows about a job, by Slurm's names."""
    words = cluster.call("scontrol", "--oneliner", "show", "job", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_two_nodes_are_idle_and_show_their_gpus(slurm: Cluster) -> None:
    nodes = slurm.call("sinfo", "-h", "-N", "-p", "normal", "-o", "%N %t %c %G").splitlines()
    assert nodes == ["n1 idle 2 gpu:2", "n2 idle 2 gpu:2"]


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_job_runs_on_each_node(slurm: Cluster, node: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    submit(slurm, "srun printenv SLURMD_NODENAME CUDA_VISIBLE_DEVICES", log, f"--nodelist={node}", "--gpus=1", "--wait")
    assert log.read_text().split() == [node, "0"]


def test_an_array_may_be_as_long_as_the_limit_and_no_longer(slurm: Cluster, tmp_path: Path) -> None:
    held = ("--hold", "--array")
    submit(slurm, "true", tmp_path / "log", *held[:1], f"--array=0-{slurm.max_array_size - 1}")
    with pytest.raises(RuntimeError, match="Invalid job array specification"):
        submit(slurm, "true", tmp_path / "log", "--hold", f"--array=0-{slurm.max_array_size}")


def test_a_high_job_preempts_a_low_one_which_is_signalled_and_requeued(slurm: Cluster, tmp_path: Path) -> None:
    step = (
        'trap "echo signalled; scontrol requeue $SLURM_JOB_ID" USR2; echo begin $SLURM_RESTART_COUNT; sleep 600 & wait'
    )
    log = tmp_path / "log"
    whole_node = ("--nodelist=n1", "--exclusive")
    low = submit(
        slurm, f"srun bash -c '{step}'", log, "--partition=low", "--signal=USR2@30", "--open-mode=append", *whole_node
    )
    slurm.wait(lambda: log.exists() and "begin" in log.read_text())
    high = submit(slurm, "true", tmp_path / "high", "--partition=high", *whole_node)
    slurm.wait(lambda: state(slurm, high)["JobState"] == "COMPLETED")
    slurm.wait(lambda: "begin 1" in log.read_text())
    assert "signalled" in log.read_text()
    assert state(slurm, low)["Restarts"] == "1"


def test_a_job_over_its_memory_is_killed_alone(slurm: Cluster, tmp_path: Path) -> None:
    greedy = f"{sys.executable} -c 'import time; b = bytearray(500 << 20); time.sleep(600)'"
    job = submit(slurm, greedy, tmp_path / "log", "--mem=100")
    beside = f"while squeue -h -j {job} | grep -q .; do sleep 0.2; done"  # longer than the other lives
    modest = submit(slurm, beside, tmp_path / "modest", "--mem=100")
    slurm.wait(lambda: {state(slurm, j)["JobState"] for j in (job, modest)} == {"FAILED", "COMPLETED"})
    assert state(slurm, job)["JobState"] == "FAILED"
    assert "exceeded memory limit" in (tmp_path / "log").read_text()


def test_a_dead_node_comes_back(slurm: Cluster, tmp_path: Path) -> None:
    submit(slurm, "sleep 600", tmp_path / "log", "--nodelist=n2", "--no-requeue")
    slurm.wait(lambda: len(slurm.processes("n2")) > 2)
    others = {p.pid for p in slurm.processes("n1")}
    slurm.kill_node("n2")
    assert not slurm.processes("n2")
    assert {p.pid for p in slurm.processes("n1")} == others
    slurm.start_node("n2")
    slurm.wait(lambda: submit(slurm, "true", tmp_path / "again", "--nodelist=n2", "--wait"))


def test_two_clusters_side_by_side_and_nothing_left(slurm: Cluster) -> None:
    other = Cluster(Path(f"{slurm.root}-b"))
    try:
        assert other.up().alive()
        first = {p.pid for p in other.processes()}
        assert {p.pid for p in other.up().processes()} == first  # a second `up` starts nothing
        job = submit(other, "srun sleep 600", Path("/dev/null"))
        other.wait(lambda: state(other, job)["JobState"] == "RUNNING")
        assert not slurm.call("squeue", "-h")
        assert {p.pid for p in slurm.processes()}.isdisjoint(p.pid for p in other.processes())
    finally:
        other.down()
    assert not other.processes()
    assert not other.root.exists()
    assert slurm.alive()


def test_accounts_are_kept_where_they_are_asked_for(slurm_with_sacct: Cluster, tmp_path: Path) -> None:
    job = submit(slurm_with_sacct, "exit 3", tmp_path / "log")
    query = ("sacct", "--noheader", "--allocations", "--parsable2", f"--jobs={job}", "--format=State,ExitCode")
    slurm_with_sacct.wait(lambda: slurm_with_sacct.call(*query).split() == ["FAILED|3:0"])


def test_what_is_missing_is_said_with_the_cure() -> None:
    assert (
        missing({"some-package": ("no-such-program",)})
        == "no-such-program not found (Debian: apt-get install some-package)"
    )


def test_a_folder_that_is_no_cluster_is_left_alone() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (folder / "precious").touch()
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-m", "tests.slurm.cluster", "down", "--dir", folder],
            cwd=root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert "neither empty nor a cluster's folder" in done.stderr
        assert (folder / "precious").exists()
    finally:
        shutil.rmtree(folder)
