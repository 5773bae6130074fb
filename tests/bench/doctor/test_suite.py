"""What a suite would need: data as it should be, disk, a compiler, devices, Slurm."""

from types import SimpleNamespace

import psutil
import pytest

from bench.data import DataSettings
from bench.doctor import suite
from bench.doctor.suite import computing, disk, incomplete, packages, supposed
from bench.store import Store
from tests.bench.plans import Planner
from tests.bench.tiny import SUITE


@pytest.fixture
def plan(tmp_path):
    return Planner(tmp_path)


def test_a_known_set_that_has_other_numbers_was_unpacked_in_part():
    birds = DataSettings.model_validate({"name": "birds", "base": "cub200"})
    train, test = suite.SIZES["cub200"]
    whole = SimpleNamespace(counts={"train": train - 20, "val": 20, "test": test})
    assert list(incomplete(birds, whole)) == []
    (found,) = incomplete(birds, SimpleNamespace(counts=whole.counts | {"test": test - 1}))
    assert found.state == "note" and found.text == f"birds: {test - 1:,} images in test, known are {test:,}"
    fewer = birds.model_copy(update={"num_classes": 3})
    assert list(incomplete(fewer, SimpleNamespace(counts={"train": 1, "val": 0, "test": 1}))) == []


@pytest.mark.parametrize(
    ("fields", "classes"),
    [
        ({"name": "cifar100"}, 100),
        ({"name": "cub200"}, 200),
        ({"name": "own", "source": "folder", "root": "x", "img_size": 8}, 10),
        ({"name": "own", "source": "folder", "root": "x", "img_size": 8, "classes": ["a", "b", "c"]}, 3),
    ],
)
def test_what_is_not_there_is_supposed_to_have_as_many_classes_as_it_should(fields, classes):
    assert supposed(DataSettings.model_validate(fields)).num_classes == classes


def test_room_is_for_what_is_kept_and_for_checkpoints_of_all_workers(plan, tmp_path, monkeypatch):
    def need(made):
        (found,) = disk(made, Store(tmp_path / "results"))
        return float(found.text.split()[2]), found.state

    monkeypatch.setattr(psutil, "disk_usage", lambda path: SimpleNamespace(free=1e6))
    monkeypatch.setattr(suite, "gpus", list)
    one, many = (need(plan(f"jobs={jobs}")) for jobs in (1, 100))
    assert one[1] == "ok" and many[1] == "missing" and many[0] > one[0]
    assert need(plan("jobs=1", "keep_weights=true"))[0] > one[0]


def test_a_compiler_is_for_suites_that_compile(plan, monkeypatch):
    monkeypatch.setattr(suite, "has_compiler", lambda: False)
    assert list(packages(plan())) == []
    (found,) = packages(plan("train.compile=true"))
    assert found.state == "note" and "train.compile" in found.text
    monkeypatch.setattr(suite, "has_compiler", lambda: True)
    assert list(packages(plan("train.compile=true"))) == []


def test_a_device_that_is_not_there_and_models_that_want_one(plan, monkeypatch):
    monkeypatch.setattr(suite, "gpus", list)
    (found,) = computing(plan("device=cuda"), "local")
    assert (found.state, found.how) == ("missing", "--set device=cpu")
    (found,) = computing(plan(), "local")
    assert found.state == "ok" and "CPU cores" in found.text
    wide = plan("targets=[{embed_dim: 4096, num_heads: 64, depth: 12}]", only=["random-*"])
    (found,) = computing(wide, "local")
    assert found.state == "note" and "--probe" in found.how
    monkeypatch.setattr(suite, "gpus", lambda: ["0", "1"])
    (found,) = computing(wide, "local")
    assert found.state == "ok" and found.text == "local, on 2 GPUs"


def test_slurm_is_submitted_to_where_there_is_one(plan, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(suite, "partitions", list)
    made = plan(text=SUITE + "slurm: {gpus: 1, run: {gpus: 2}, partition: new}\n")
    asked, submit = computing(made, "slurm")
    assert "run 2" in asked.text and "ancestor 1" in asked.text
    assert (submit.state, submit.how) == ("missing", "run it on the cluster's login node")
    monkeypatch.setattr(suite, "partitions", lambda: ["old"])
    *_, found = computing(made, "slurm")
    assert found.text == "Slurm has no partition new" and found.how.startswith("there are: old; ")
