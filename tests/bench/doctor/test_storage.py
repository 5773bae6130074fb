"""Where results would go: whether they can be written there, and whether locks work."""

import errno
import os
from types import SimpleNamespace

import psutil

from bench.doctor import storage


def test_a_folder_without_hard_links_or_locks_is_told(monkeypatch, tmp_path):
    states = {f.topic: f.state for f in storage.storage(tmp_path / "results" / "deeper")}
    assert states["locks"] == "ok"
    monkeypatch.setattr(storage.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
    assert {f.topic: f.state for f in storage.storage(tmp_path)}["locks"] == "note"
    monkeypatch.setattr(storage.Lock, "acquire", lambda self: True)
    monkeypatch.setattr(storage.Lock, "held", lambda self: True)
    assert {f.topic: f.state for f in storage.storage(tmp_path)}["locks"] == "missing"


def test_a_folder_that_cannot_be_written_is_missing(monkeypatch, tmp_path):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(storage.tempfile, "TemporaryDirectory", refused)
    _, found = storage.storage(tmp_path)
    assert (found.state, found.text) == ("missing", f"{tmp_path} cannot be written: Permission denied")
    assert found.how == "choose another --results"


def test_little_room_is_noted(monkeypatch, tmp_path):
    for free, state in ((storage.LITTLE - 1, "note"), (storage.LITTLE, "ok")):
        monkeypatch.setattr(psutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        first, *_ = storage.storage(tmp_path)
        assert (first.topic, first.state) == ("results", state)


def test_the_file_system_is_that_of_the_nearest_mount(monkeypatch, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    mounts = [("/", "ext4"), (str(inner), "tmpfs"), (str(tmp_path), "nfs"), (f"{tmp_path}/inn", "xfs")]
    listed = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: listed)
    assert storage.file_system(inner) == f"tmpfs ({inner})"
    assert storage.file_system(tmp_path) == f"nfs ({tmp_path})"
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [])
    assert storage.file_system(tmp_path) == "an unknown file system"
