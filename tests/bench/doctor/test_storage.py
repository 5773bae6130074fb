"""Where results would go: whether they can be written there, and whether locks work."""

from bench.doctor import storage


def test_a_folder_without_hard_links_or_locks_is_told(monkeypatch, tmp_path):
    states = {f.topic: f.state for f in storage.storage(tmp_path / "results" / "deeper")}
    assert states["locks"] == "ok"
    monkeypatch.setattr(storage.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
    assert {f.topic: f.state for f in storage.storage(tmp_path)}["locks"] == "note"
    monkeypatch.setattr(storage.Lock, "acquire", lambda self: True)
    monkeypatch.setattr(storage.Lock, "held", lambda self: True)
    assert {f.topic: f.state for f in storage.storage(tmp_path)}["locks"] == "missing"
