"""Code that others left in a results folder, a checkpoint or a data set is not run."""

import json
import os
import pickle
import stat
from pathlib import Path

import pytest
import timm.models
import torch
from PIL import EpsImagePlugin, Image

from bench.data import DataError
from bench.data.decode import FORMATS, decode, open_image
from bench.data.preparing.encode import Form, encode
from bench.data.sources.folder import EXTENSIONS
from bench.files import sha256
from bench.jobs.parts.artifacts import load_model
from bench.jobs.parts.pretrained import read
from bench.train.session import COMPILED, share_compiled
from tests.bench.tiny import SUITE, bench, write

PLANTED = """
from pathlib import Path
Path({trace!r}).write_text("planted code ran")
from methods import Initializer
class Planted(Initializer):
    pass
"""
MINE = """
from dataclasses import dataclass
from methods.random import Random
@dataclass
class Mine(Random):
    pass
"""


@pytest.mark.parametrize("command", [("status",), ("report",), ("cancel",), ("logs", "*")])
def test_a_class_that_a_shared_results_folder_names_is_not_imported(command, tmp_path, monkeypatch, capsys):
    suite, kept = write(tmp_path), tmp_path / "r" / "tiny" / "suite.yaml"
    kept.parent.mkdir(parents=True)
    trace = tmp_path / "trace"
    (tmp_path / "planted_class.py").write_text(PLANTED.format(trace=str(trace)))  # even where it could be found
    header = {"source": str(suite), "sha256": "", "set": [], "only": []}
    text = SUITE.replace("random: {}", "random: {use: 'planted_class:Planted'}")
    kept.write_text(f"# kept by bench run: {json.dumps(header)}\n{text}")
    arguments = command[1:] or (suite,)
    assert bench(command[0], *arguments, "--results", tmp_path / "r") == 2
    said = capsys.readouterr().err
    if command[0] != "logs":
        assert f"{kept}:" in said and "planted_class:Planted is from outside" in said
    assert not trace.exists()


def test_a_class_that_the_given_suite_names_too_is_imported(tmp_path, capsys):
    (tmp_path / "my_own_class.py").write_text(MINE)
    text = SUITE.replace("random: {}", "random: {use: 'my_own_class:Mine'}")
    suite = write(tmp_path, text)
    run = ("run", suite, "--launcher", "inline", "--results", tmp_path / "r", "--only", "random-L1-*-s0")
    assert bench(*run, "--set", "train.epochs=0") == 0
    assert bench("status", suite, "--results", tmp_path / "r") == 0
    assert bench("status", tmp_path / "r" / "tiny" / "suite.yaml", "--results", tmp_path / "r") == 0
    capsys.readouterr()
    write(tmp_path, SUITE)
    assert bench("status", suite, "--results", tmp_path / "r") == 2
    assert "give the --set that names it" in capsys.readouterr().err


class Planted:
    """A pickle that runs code when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_checkpoint_that_is_a_pickle_runs_nothing_with_any_timm(tmp_path, monkeypatch):
    """Older ones read pickles unless told otherwise."""
    trace, path = tmp_path / "trace", tmp_path / "weights.pth"
    torch.save({"head.weight": torch.zeros(1), "other": Planted(trace)}, path)
    from bench.jobs.parts import pretrained

    newer = timm.models.load_state_dict
    older = lambda *a, weights_only=False, **k: newer(*a, weights_only=weights_only, **k)  # noqa: E731
    monkeypatch.setattr(pretrained, "load_state_dict", older)
    with pytest.raises(ValueError, match="cannot be read as weights"):
        read(str(path), sha256(path))
    assert not trace.exists()
    pickle.loads(pickle.dumps(Planted(trace)))
    assert trace.exists()


@pytest.mark.parametrize("name", ["hf-hub:somebody/model", "hf_hub:somebody/model", "local-dir:/tmp/x", "nothing"])
def test_the_model_that_an_ancestors_result_names_is_one_of_timms(name, tmp_path, monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: pytest.fail("it was asked for"))
    result = {"timm_model": name, "num_classes": 2, "in_chans": 3, "normalise": {}}
    with pytest.raises(ValueError, match="timm has no"):
        load_model(tmp_path / "weights.safetensors", result)


def test_only_the_formats_meant_are_opened(tmp_path, monkeypatch):
    """PIL tells formats by content: an EPS file named .png would start Ghostscript."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("Ghostscript was started"))
    path = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(path, "EPS")
    with pytest.raises(DataError, match="not a readable image"):
        decode(lambda: path, "image.png", "RGB")
    with pytest.raises(OSError, match="cannot identify"):
        encode(path.read_bytes(), Form(8))
    assert {Image.registered_extensions()[name] for name in EXTENSIONS} <= set(FORMATS)
    for format in FORMATS:
        Image.new("RGB", (8, 8)).save(path, format)
        with open_image(path) as image:
            assert image.format == format


def test_a_compile_cache_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.delenv(COMPILED, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    share_compiled(tmp_path / "own")
    shared = tmp_path / "own" / "cache" / "inductor"
    assert Path(os.environ[COMPILED]) == shared and stat.S_IMODE(shared.stat().st_mode) == 0o700
    planted = tmp_path / "planted" / "cache" / "inductor"
    planted.mkdir(parents=True)
    planted.chmod(0o777)
    share_compiled(tmp_path / "planted")
    assert Path(os.environ[COMPILED]) == tmp_path / "home" / "learngene-bench" / "inductor"
