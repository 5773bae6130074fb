"""What Slurm offers, by what sinfo says."""

from bench.doctor import scheduler


def test_slurm_is_asked(monkeypatch, tmp_path):
    """A stand-in for sinfo that says what the real one says."""
    script = tmp_path / "sinfo"
    row = "gpu*|up|1-00:00:00|2|64|512000|gpu:4\\nold|down|infinite|1|8|16000|(null)"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo slurm 24.11 || printf "{row}\\n"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    first, gpu, old = scheduler.scheduler()
    assert "slurm 24.11; arrays of up to" in first.text
    assert gpu.text == "partition gpu (default): 2 nodes with 64 CPUs, 512000 MB, GPUs: gpu:4; time limit 1-00:00:00"
    assert old.state == "note" and "GPUs: none" in old.text
    script.write_text('#!/bin/sh\nprintf "gpu*\\nold\\n"\n')
    assert scheduler.partitions() == ["gpu", "old"]
    script.write_text("#!/bin/sh\nexit 1\n")
    assert [f.state for f in scheduler.scheduler()] == ["note"]


def test_a_machine_without_slurm_has_other_launchers(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = scheduler.scheduler()
    assert found.state == "note" and "launchers local and inline" in found.text
    assert scheduler.partitions() == []
