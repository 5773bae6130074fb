"""`gpus_per_run`: jobs that are done by several processes, from the command line."""

import json
import os
import signal
import tempfile
from pathlib import Path

import psutil
import pytest

from bench.launch import devices
from bench.store.log import read as read_log
from tests.bench.tiny import SUITE, bench, numbers, process, write
from tests.bench.until import until

TWO = ("--set", "gpus_per_run=2", "--set", "seeds=1")
METHOD = '''
import os
import signal
from dataclasses import dataclass

import torch.distributed as dist

from methods import Initializer, Learngene


@dataclass
class Fails(Initializer):
    """Something is wrong in the second process only."""

    how: str = "raise"

    def condense(self, ancestor, lab):
        return Learngene(tensors={}, meta={})

    def initialize(self, target, learngene, lab):
        if dist.get_rank() == 1:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the second process cannot")
'''


def results(folder: Path, kind: str = "*") -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob(f"jobs/{kind}/*/result.json")}


def children() -> set[psutil.Process]:
    """All below this process; the warm one that `process` forks from may be there, with what an earlier test killed."""
    return set(psutil.Process().children(recursive=True))


def test_two_processes_give_the_table_of_one(tmp_path):
    """All kinds of jobs; what one process has done, two take as done, and the other way round."""
    before = children()
    suite, only = write(tmp_path), ("--only", "wave-L1-*", "--only", "sws-L3-*", "--set", "seeds=1")
    one, two = tmp_path / "one", tmp_path / "two"
    assert bench("run", suite, "--launcher", "inline", "--results", one, *only) == 0
    assert bench("run", suite, "--launcher", "inline", "--results", two, *only, *TWO) == 0
    assert children() <= before
    assert results(one).keys() == results(two).keys(), "identities do not depend on it"
    assert {r["devices"] for r in results(one).values()} == {1}
    assert {r["devices"] for r in results(two).values()} == {2}
    for a, b in zip(numbers(one), numbers(two), strict=True):
        for name in ("loss", "top1", "top5", "top1_init", "best_top1", "val_top1", "ancestor_top1"):
            allowed = {"rel": 1e-5} if name == "loss" else {"abs": 0.3}  # rounding may turn a close call
            assert float(a.pop(name)) == pytest.approx(float(b.pop(name)), **allowed)
        used = {name for name in a if name.endswith("devices")}
        assert {a[name] for name in used} == {"1", ""} and {b[name] for name in used} == {"2", ""}
        assert a | dict.fromkeys(used) == b | dict.fromkeys(used)
    for folder in two.glob("jobs/*/*"):
        assert [event["event"] for event in read_log(folder / "log.jsonl")].count("done") == 1
        assert not list(folder.glob("lock.*")) and not (folder / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("how", "kind", "why"),
    [
        ("raise", "error", "RuntimeError: the second process cannot"),
        ("kill", "died", "process 1 of 2: the worker was killed by SIGKILL (out of memory, or killed by hand)"),
    ],
)
def test_what_ends_one_process_ends_the_job_and_is_told(how, kind, why, tmp_path, capsys, monkeypatch):
    before = children()
    (tmp_path / "fails.py").write_text(METHOD)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    text = SUITE.partition("methods:")[0] + f"methods: {{fails: {{use: 'fails:Fails', how: {how}}}}}\n"
    suite = write(tmp_path, text + "train: {epochs: 1, batch_size: 216}\n")
    command = ("run", suite, "--launcher", "inline", "--results", tmp_path / "r", *TWO, "--only", "*L1*")
    assert bench(*command) == 1
    assert why in capsys.readouterr().out
    (failure,) = (json.loads(path.read_text()) for path in (tmp_path / "r").glob("jobs/run/*/failure.json"))
    assert (failure["error"], failure["kind"]) == (why, kind)
    assert ("the second process cannot" in failure["traceback"]) == (how == "raise")
    assert children() <= before and not list((tmp_path / "tmp").iterdir())


def test_a_signal_saves_and_the_same_command_goes_on_with_another_number(tmp_path):
    """Stopped in the middle with two processes, ended by one."""
    suite, r = write(tmp_path), tmp_path / "r"
    long = ("--set", "train={epochs: 30, batch_size: 64, eval_every: 30}", "--only", "random-L1-*")
    started = process("run", suite, *long, *TWO, "--results", r)
    until(lambda: "checkpoint" in events(r), started)
    os.killpg(started.pid, signal.SIGINT)
    out, _ = started.communicate(timeout=1800)
    assert started.returncode == 130, out
    (log,) = r.glob("jobs/run/*/log.jsonl")
    last = read_log(log)[-1]
    assert last["event"] == "interrupted", last
    step = int(last["message"].split()[3])
    assert 0 < step < 480 and step % 10 == 0
    one = ("--launcher", "inline", "--set", "seeds=1")
    assert bench("run", suite, *long, *one, "--results", r) == 0
    assert next(e for e in read_log(log) if e["event"] == "resumed")["step"] == step
    assert bench("run", suite, *long, *one, "--results", tmp_path / "undisturbed") == 0
    (a,), (b,) = numbers(r), numbers(tmp_path / "undisturbed")
    assert a["train_images"] == b["train_images"] == str(480 * 64)
    assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-4)


def events(root: Path) -> set[str]:
    """What happened in the run so far."""
    return {entry["event"] for log in root.glob("jobs/run/*/log.jsonl") for entry in read_log(log)}


def test_gpus_come_in_sets(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,GPU-x,3,4")
    assert devices.device_sets(2, "auto") == [["0", "1"], ["GPU-x", "3"]]
    assert devices.device_sets(1, "cuda") == [["0"], ["1"], ["GPU-x"], ["3"], ["4"]]
    assert devices.device_sets(2, "cpu") == []
    command = ("run", write(tmp_path), "--results", tmp_path / "r", "--set", "gpus_per_run=8")
    assert bench(*command) == 1
    said = capsys.readouterr()
    assert "gpus_per_run: 8 GPUs for a run; this machine has 5" in said.err + said.out
