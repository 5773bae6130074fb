"""A disk that is full after a job has failed: what failed is named, and the command goes on when there is room."""

import errno
import os

import pytest

from tests.bench.tiny import bench, rows, write

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: [1, 2]}]
methods: {random: {}, broken: {use: "disk_full_broken:Broken"}}
train: {epochs: 0}
seeds: 1
"""
BROKEN = """
from dataclasses import dataclass
from methods import Initializer

@dataclass
class Broken(Initializer):
    ancestors = 0

    def condense(self, ancestor, lab):
        raise RuntimeError("clean failure")
"""


@pytest.fixture
def full(monkeypatch):
    """Nothing can be written from the first failure on; a list that, emptied, says that there is room again."""
    disk: list[str] = [""]
    write_bytes, sync = os.write, os.fsync

    def refuse() -> None:
        if disk == ["full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def written(descriptor, data):
        if disk and b'"failed"' in data:
            disk[:] = ["full"]
        refuse()
        return write_bytes(descriptor, data)

    def synced(descriptor):
        refuse()
        sync(descriptor)

    monkeypatch.setattr(os, "write", written)
    monkeypatch.setattr(os, "fsync", synced)
    return disk


def test_failures_are_named_where_nothing_can_be_written_any_more(full, tmp_path, capsys):
    (tmp_path / "disk_full_broken.py").write_text(BROKEN)
    command = ("run", write(tmp_path, SUITE), "--launcher", "inline", "--results", tmp_path / "r")
    assert bench(*command) == 1
    output = capsys.readouterr()
    said = output.out + output.err
    assert full == ["full"] and "Traceback" not in said
    assert "clean failure" in said and "No space left on device" in said
    assert "failed: learngene Broken" in output.out, "the list of what failed is there, though the tables are not"
    full.clear()
    assert bench(*command) == 1
    output = capsys.readouterr()
    assert "clean failure" in output.out and "No space left" not in output.out + output.err
    assert sorted(row["status"] for row in rows(tmp_path / "r")) == ["done", "done", "skipped", "skipped"]
