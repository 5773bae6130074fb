"""What the machine can do."""

import shutil
from types import SimpleNamespace

import psutil
import torch

from bench.doctor import machine


def only(findings, topic):
    (found,) = (finding for finding in findings if finding.topic == topic)
    return found


def test_little_shared_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "SHARED", tmp_path)
    for enough, state in ((0, "ok"), (float("inf"), "note")):
        monkeypatch.setattr(machine, "ENOUGH_SHARED", enough)
        (found,) = machine.shared_memory()
        assert found.state == state and ("--shm-size" in found.how) == (state == "note")


def test_memory_is_what_the_control_group_allows(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "SHARED", tmp_path / "none")
    there = SimpleNamespace(total=64e9, available=32e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    for limit, text in ((None, "64 GB, 32 GB available"), (2_000_000_000, "2 GB, 2 GB available")):
        monkeypatch.setattr(machine, "memory_limit", lambda limit=limit: limit)
        assert only(machine.processor(), "memory").text == text


def test_bf16_without_instructions_is_noted(monkeypatch):
    for flags, state in (({"avx2"}, "note"), ({"avx2", "amx_bf16"}, "ok"), (set(), "ok")):  # none: not known
        monkeypatch.setattr(machine, "cpu_flags", lambda flags=flags: flags)
        assert only(machine.processor(), "precision").state == state


def test_no_gpu_and_why(monkeypatch):
    monkeypatch.setattr(machine, "gpus", list)
    for hidden, why in (("", " (CUDA_VISIBLE_DEVICES is empty)"), ("0", "")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        (found,) = machine.devices()
        assert (found.state, found.text) == ("note", f"none{why}")


def test_gpus_that_torch_cannot_use_are_missing(monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: ["0", "1"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (found,) = machine.devices()
    assert found.state == "missing" and found.text.startswith("2 in the machine, but torch cannot use them")
    assert "pytorch.org" in found.how


def test_each_gpu_with_its_memory_and_what_it_lacks(monkeypatch):
    old, new = (SimpleNamespace(name=f"GPU {major}", major=major, minor=0) for major in (7, 9))
    monkeypatch.setattr(machine, "gpus", lambda: ["0", "1"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: (old, new)[i])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda i: ((4e9, 16e9), (79e9, 80e9))[i])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    busy, free, compiler = machine.devices()
    assert (busy.text, busy.state) == ("0: GPU 7, capability 7.0, no bf16; 4 GB of 16 GB free", "note")
    assert busy.how == "another process uses it"
    assert (free.text, free.state) == ("1: GPU 9, capability 9.0, bf16; 79 GB of 80 GB free", "ok")
    assert (compiler.topic, compiler.how) == ("compiler", "install gcc")


def test_variables_that_name_no_folder(monkeypatch, tmp_path):
    roots = ("$HERE/x", "$GONE", "", "$UNSET")
    monkeypatch.setattr(machine, "DEFAULTS", {root: {"root": root} for root in roots})
    (tmp_path / "train").mkdir()
    (tmp_path / ".hidden").touch()
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("GONE", str(tmp_path / "gone"))
    monkeypatch.delenv("UNSET", raising=False)
    gone, here, unset = machine.roots()
    assert (gone.text, gone.state) == (f"GONE={tmp_path / 'gone'} is not a folder", "note")
    assert (here.text, here.state) == (f"HERE={tmp_path}: train", "ok")
    assert (unset.text, unset.how) == ("UNSET is not set", "export UNSET=FOLDER")
