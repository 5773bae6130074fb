"""GPUs as variables, NVML and torch tell of them, by stand-ins: no machine of the tests has one."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bench.errors import BenchError
from bench.launch import devices
from bench.worker.process import choose_device
from tests.bench.tiny import bench, write

VARIABLES = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without drivers and variables."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(devices, "OTHERS", ())
    monkeypatch.setitem(sys.modules, "pynvml", None)
    devices._count.cache_clear()
    yield
    devices._count.cache_clear()


class NVMLError(Exception):
    pass


def library(monkeypatch, *capabilities):
    """NVML with GPUs of those compute capabilities; None: one that does not tell."""

    def capability(i):
        if capabilities[i] is None:
            raise NVMLError
        return (capabilities[i], 0)

    module = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(capabilities),
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetName=lambda i: f"GPU of {capabilities[i]}",
        nvmlDeviceGetCudaComputeCapability=capability,
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,3"}, ["0", "3"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,2"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1f, MIG-2a"}, ["GPU-1f", "MIG-2a"]),
        ({"HIP_VISIBLE_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "0,1"}, ["2"]),
        ({"ROCR_VISIBLE_DEVICES": "4,GPU-5"}, ["0", "1"]),
        ({"ROCR_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "1"}, ["1"]),
        ({}, []),
    ],
)
def test_variables_name_the_gpus(settings, names, monkeypatch):
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    assert devices.gpus() == names
    if names or not settings:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert names or "hides all GPUs" in devices.why_none() or not settings


def test_nvml_counts_before_the_drivers_folders(monkeypatch, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "gpus" / name).mkdir(parents=True)
    monkeypatch.setattr(devices, "DRIVER", tmp_path / "gpus")
    assert devices.gpus() == ["0", "1", "2"]
    devices._count.cache_clear()
    library(monkeypatch, 9, 9)
    assert devices.gpus() == ["0", "1"]


@pytest.mark.parametrize(("printed", "names"), [("2\n", ["0", "1"]), ("0\n", []), ("junk", []), (None, [])])
def test_torch_is_asked_in_a_child_where_there_is_another_driver(printed, names, monkeypatch, tmp_path):
    asked = []

    def run(command, **options):
        asked.append(command)
        if printed is None:
            raise subprocess.TimeoutExpired(command, 1)
        return SimpleNamespace(stdout=printed)

    monkeypatch.setattr(devices.subprocess, "run", run)
    assert devices.gpus() == [] and not asked, "no driver: nobody is asked"
    devices._count.cache_clear()
    monkeypatch.setattr(devices, "OTHERS", (str(tmp_path), "/nothing"))
    assert devices.gpus() == devices.gpus() == names
    assert len(asked) == 1 and asked[0][0] == sys.executable
    assert names or str(tmp_path) in devices.why_none()


def test_a_process_sees_the_gpus_that_it_is_given(monkeypatch):
    monkeypatch.setattr(devices, "OTHERS", ("/nothing",))
    assert devices.visible(["1", "2"]) == {"CUDA_VISIBLE_DEVICES": "1,2"}
    assert devices.visible([]) == {"CUDA_VISIBLE_DEVICES": ""}
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "0,1")
    assert devices.visible(["1"]) == {"CUDA_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "1"}
    assert devices.visible([]) == {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}


def test_auto_is_not_the_cpu_where_a_gpu_was_given(monkeypatch):
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    for hidden in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert choose_device("auto") == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(
        BenchError, match="CUDA_VISIBLE_DEVICES=0 gives a GPU to this process, which torch .* cannot use"
    ):
        choose_device("auto")
    assert choose_device("cpu") == "cpu"


def plan(tmp_path, capsys, *settings):
    assert bench("plan", write(tmp_path), *settings, "--results", tmp_path / "results") == 0
    return capsys.readouterr().err


def test_a_large_suite_is_told_that_it_computes_on_the_cpu(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("bench.commands.common.why_none", lambda: "none was found")
    large = ("--set", "train.steps=10000000")
    assert "device: auto is the CPU here: none was found" in plan(tmp_path, capsys, "--set", "device=auto", *large)
    assert plan(tmp_path, capsys, "--set", "device=auto") == ""
    assert plan(tmp_path, capsys, "--set", "device=cpu", *large) == ""


def test_bf16_warns_where_a_gpu_lacks_it(monkeypatch, tmp_path, capsys):
    library(monkeypatch, None, 9, 7)
    bf16 = ("--set", "device=auto", "--set", "train.precision=bf16")
    assert "GPU of 7 has no instructions for bf16" in plan(tmp_path, capsys, *bf16)
    assert plan(tmp_path, capsys, "--set", "device=auto", "--set", "train.precision=fp16") == ""
    assert plan(tmp_path, capsys, "--set", "device=cpu", "--set", "train.precision=bf16") == ""
    library(monkeypatch, 8, 9)
    assert plan(tmp_path, capsys, *bf16) == ""
