"""An export is there whole or not at all, and replaces nothing but an earlier one."""

import json
import os

import pytest
import torch

from bench import api
from bench.errors import BenchError, UsageError
from bench.export import folder
from bench.files import read_json
from methods.vit import VitSpec, build_vit
from tests.bench.killed_everywhere import killed_everywhere

SMALL = VitSpec(embed_dim=16, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A start."""
    path = tmp_path_factory.mktemp("ancestor") / "small.pth"
    torch.save(build_vit(SMALL).state_dict(), path)
    return api.start("weight_selection", source=str(path), heads=2, to={"depth": 1})


def content(path):
    """Name -> bytes of what is in a folder; None where there is none."""
    return {entry.name: entry.read_bytes() for entry in path.iterdir()} if path.is_dir() else None


def test_a_kill_at_any_write_leaves_all_or_nothing(start, tmp_path):
    out = tmp_path / "place" / "out"
    start.save(tmp_path / "out")
    expected = content(tmp_path / "out")
    seen = []
    for _ in killed_everywhere(lambda: start.save(out), out.parent):
        assert content(out) in (None, expected)
        seen.append(out.is_dir())
        if out.is_dir():
            break
    assert len(seen) > 10, "it was stopped at many places"
    for entry in out.parent.iterdir():
        assert entry == out or entry.name.startswith(".out."), "what is left is hidden, beside it"


@pytest.mark.parametrize("swaps", [True, False], ids=["exchange", "two renames"])
def test_a_kill_at_any_write_leaves_the_old_or_the_new(swaps, tmp_path, monkeypatch):
    if not swaps:
        monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    out = tmp_path / "place" / "out"

    def save(text, out):
        folder.check(out, tmp_path, force=True)
        with folder.written(out, {}) as place:
            (place / "a").write_text(text)

    save("new", tmp_path / "new")
    save("old", out)
    old, new = content(out), content(tmp_path / "new")
    states = []
    for _ in killed_everywhere(lambda: save("new", out), out.parent):
        if not out.exists():  # between two renames, where the system cannot exchange: the old one is beside
            (aside,) = out.parent.glob("out.replaced-*")
            assert not swaps and content(aside) == old
            os.rename(aside, out)
        assert content(out) in (old, new)
        states.append(content(out) == new)
    assert states == sorted(states) and len(states) > 5 and states[-1]


def test_whatever_is_raised_leaves_nothing(tmp_path):
    for error in (KeyboardInterrupt, OSError, BenchError):
        with pytest.raises(error), folder.written(tmp_path / "out", {}) as place:
            (place / "half").write_bytes(b"1")
            raise error("stop")
        assert not list(tmp_path.iterdir())


def test_force_replaces_an_export_and_nothing_else(start, tmp_path):
    out = tmp_path / "out"
    start.save(out)
    with pytest.raises(UsageError, match="out is there already; expected a new folder, or --force"):
        start.save(out)
    start.save(out, force=True)
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds what no export wrote: thesis.tex; only an earlier export is replaced"):
        start.save(out, force=True)
    (out / "thesis.tex").unlink()
    record = json.loads((out / "export.json").read_text())
    (out / "export.json").write_text(json.dumps(record | {"files": [*record["files"], "thesis.tex"]}))
    with pytest.raises(UsageError, match="is no export"):
        start.save(out, force=True)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "plain")
    (tmp_path / "file").touch()
    for name in ("plain", "link", "file"):
        with pytest.raises(UsageError, match="only an earlier export is replaced"):
            start.save(tmp_path / name, force=True)
    assert (tmp_path / "plain" / "a").exists()


def test_what_comes_to_be_meanwhile_stays(tmp_path):
    with pytest.raises(BenchError, match="it came to be meanwhile"), folder.written(tmp_path / "out", {}) as place:
        (place / "a").touch()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "of somebody").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_written_among_jobs(start, tmp_path):
    (tmp_path / "r" / "jobs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "r" / "jobs")
    for out in (tmp_path / "r" / "jobs" / "run" / "x", tmp_path / "link" / "x", tmp_path / "a" / ".." / "r" / "jobs"):
        with pytest.raises(UsageError, match="is among the jobs of"):
            start.save(out, results=tmp_path / "r")


def test_where_nothing_can_be_written_is_told_before(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "out", tmp_path / "file" / "a" / "out"):
        with pytest.raises(UsageError, match="cannot be written: .*file is no folder"):
            folder.check(out, tmp_path / "r", force=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(UsageError, match="is not writable for you; expected"):
        folder.check(tmp_path / "a" / "out", tmp_path / "r", force=False)
    assert not (tmp_path / "a").exists()


def test_files_follow_the_umask(start, tmp_path):
    before = os.umask(0o027)
    try:
        start.save(tmp_path / "out")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o640}
    assert set(read_json(tmp_path / "out" / "export.json")["files"]) == {
        "README.md",
        "config.json",
        "model.safetensors",
    }
