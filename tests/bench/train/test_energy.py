"""Energy: what NVML counts, in joules; unknown where it does not tell. No GPU is needed: its library is played."""

import sys
import time
import types

import pytest
import torch

from bench.train import energy
from bench.train.cost import Cost, total
from bench.train.group import Group
from tests.bench.tiny import bench, rows, write

GPU = torch.device("cuda", 0)
SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 64}
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}, wave: {templates: 2, template_size: 8, scaler_steps: 5}}
train: {epochs: 1, batch_size: 64}
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
    energy._handle.cache_clear()
    yield fake
    energy._handle.cache_clear()


def test_a_watch_charges_seconds_and_joules(nvml):
    cost = Cost(seconds=1.0)
    for _ in range(2):
        energy.Watch(GPU, Group()).charge(cost)
    assert cost.energy_joules == pytest.approx(1.0)  # twice 0.5 J
    assert cost.seconds > 1.0


def test_it_is_unknown_where_the_device_does_not_tell(nvml, monkeypatch):
    assert energy.joules(torch.device("cpu")) is None
    nvml.fails = True
    assert energy.joules(GPU) is None
    energy._handle.cache_clear()
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert energy.joules(GPU) is None
    cost = Cost()
    energy.Watch(GPU, Group()).charge(cost)
    assert "energy_joules" not in cost.as_dict()


def test_known_energies_add_up():
    parts = {"a": Cost(images=1, energy_joules=2.0), "b": Cost(images=2), "c": Cost(energy_joules=3.0)}
    assert total(parts).as_dict() == {
        "images": 3, "flops": 0, "seconds": 0.0, "eval_seconds": 0.0, "energy_joules": 5.0,
    }  # fmt: skip
    assert "energy_joules" not in total({"b": parts["b"]}).as_dict()


def test_every_stage_of_a_run_says_its_energy(tmp_path, monkeypatch):
    """A second of the clock costs a joule here, on whatever device."""
    monkeypatch.setattr(energy, "joules", lambda device: time.perf_counter())
    suite = write(tmp_path, SUITE)
    assert bench("run", suite, "--results", tmp_path, "--launcher", "inline") == 0
    for row in rows(tmp_path):
        needed = {"learngene", "init", "train"} | ({"ancestor"} if row["ancestor"] else set())
        for stage in needed:
            joules = float(row["energy_joules" if stage == "train" else f"{stage}_energy_joules"])
            assert joules == pytest.approx(float(row[f"{stage}_seconds"]), rel=0.2, abs=0.05), stage
    assert bench("report", suite, "--results", tmp_path) == 0
    assert "energy" in (tmp_path / "tiny" / "table_cost.md").read_text().splitlines()[2]
