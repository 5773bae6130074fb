"""What the machine can do."""

import importlib

machine = importlib.import_module("bench.doctor.machine")  # the package has a function of that name


def test_little_shared_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "SHARED", tmp_path)
    for enough, state in ((0, "ok"), (float("inf"), "note")):
        monkeypatch.setattr(machine, "ENOUGH_SHARED", enough)
        (found,) = machine.shared_memory()
        assert found.state == state and ("--shm-size" in found.how) == (state == "note")
