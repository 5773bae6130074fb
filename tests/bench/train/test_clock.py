"""The clock: time belongs to the innermost stage; energy in joules is what NVML counts, unknown where it does not tell.

No GPU is needed: its library is played."""

import sys
import time
import types

import pytest
import torch

from bench.train import clock
from bench.train.clock import Clock
from bench.train.cost import Cost, total
from bench.train.group import Group
from tests.bench.tiny import bench, rows, write

GPU = torch.device("cuda", 0)
SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 216}
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}, wave: {templates: 2, template_size: 8, scaler_steps: 5}}
train: {epochs: 1, batch_size: 216}
seeds: 1
"""


@pytest.fixture
def nvml(monkeypatch):
    """A stand-in for NVML's Python package, whose one GPU counts 500 mJ more at every look."""
    fake = types.SimpleNamespace(NVMLError=type("NVMLError", (Exception,), {}), counter=0, fails=False)

    def counter(handle):
        if fake.fails:
            raise fake.NVMLError("Not Supported")
        assert handle == "the GPU"
        fake.counter += 500
        return fake.counter

    def by_uuid(uuid):
        return {"GPU-1-2": "the GPU"}[uuid]

    fake.nvmlInit, fake.nvmlDeviceGetHandleByUUID = lambda: None, by_uuid
    fake.nvmlDeviceGetTotalEnergyConsumption = counter
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: types.SimpleNamespace(uuid="1-2"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    clock._handle.cache_clear()
    yield fake
    clock._handle.cache_clear()


def test_a_stage_charges_seconds_and_joules(nvml):
    cost = Cost(seconds=1.0)
    for _ in range(2):
        with Clock(GPU, Group()).stage("train") as stage:
            pass
        stage.charge(cost)
    assert cost.energy_joules == pytest.approx(1.0)  # twice 0.5 J
    assert cost.seconds > 1.0


def test_a_stage_pauses_those_around_it(monkeypatch):
    """Every number is what is spent in that stage alone; every look at the time takes a second of the innermost."""
    times = iter(range(1000))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: float(next(times)))
    job = Clock(torch.device("cpu"), Group())
    charged = {name: Cost() for name in ("condense", "train")}
    with job.stage("condense") as condense:
        for _ in range(3):
            with job.stage("train") as train:
                with job.stage("checkpoint"):
                    pass
                train.charge(charged["train"])  # in the middle of the stage
            train.charge(charged["train"])  # and what came after
    condense.charge(charged["condense"])
    assert charged["train"].seconds == 3 * 3 and charged["condense"].seconds == 4
    condense.charge(charged["condense"])
    assert charged["condense"].seconds == 4, "nothing is charged twice"


def test_a_stage_that_fails_gives_the_clock_back(monkeypatch):
    times = iter(range(1000))
    monkeypatch.setattr(clock.time, "perf_counter", lambda: float(next(times)))
    job, cost = Clock(torch.device("cpu"), Group()), Cost()
    with job.stage("condense") as condense, pytest.raises(ValueError), job.stage("train"):
        raise ValueError
    condense.charge(cost)
    assert cost.seconds == 2 and not job.stages


def test_it_is_unknown_where_the_device_does_not_tell(nvml, monkeypatch):
    assert clock.joules(torch.device("cpu")) is None
    nvml.fails = True
    assert clock.joules(GPU) is None
    clock._handle.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert clock.joules(GPU) is None
    cost = Cost()
    with Clock(GPU, Group()).stage("train") as stage:
        pass
    stage.charge(cost)
    assert "energy_joules" not in cost.as_dict()


def test_known_energies_add_up():
    parts = {"a": Cost(images=1, energy_joules=2.0), "b": Cost(images=2), "c": Cost(energy_joules=3.0)}
    assert total(parts).as_dict() == {
        "images": 3, "flops": 0, "seconds": 0.0, "eval_seconds": 0.0, "energy_joules": 5.0,
    }  # fmt: skip
    assert "energy_joules" not in total({"b": parts["b"]}).as_dict()


def test_every_stage_of_a_run_says_its_energy(tmp_path, monkeypatch):
    """A second of the clock costs a joule here, on whatever device."""
    monkeypatch.setattr(clock, "joules", lambda device: time.perf_counter())
    suite = write(tmp_path, SUITE)
    assert bench("run", suite, "--results", tmp_path, "--launcher", "inline") == 0
    for row in rows(tmp_path):
        needed = {"learngene", "init", "train"} | ({"ancestor"} if row["ancestor"] else set())
        for stage in needed:
            joules = float(row["energy_joules" if stage == "train" else f"{stage}_energy_joules"])
            assert joules == pytest.approx(float(row[f"{stage}_seconds"]), rel=0.2, abs=0.05), stage
    assert bench("report", suite, "--results", tmp_path) == 0
    assert "energy" in (tmp_path / "tiny" / "table_cost.md").read_text().splitlines()[2]
