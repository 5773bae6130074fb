"""`bench check`: a line for each promise, kept or broken, and the method in the real Lab."""

import importlib
import sys
from textwrap import dedent

import pytest

from bench.commands.check import contract
from tests.bench.tiny import bench

SOUND = """
    from dataclasses import dataclass
    from typing import ClassVar
    from methods import Initializer, Learngene

    @dataclass
    class Mine(Initializer):
        ancestors: ClassVar[int] = 0
        trains: ClassVar[bool] = False
        scale: float = 0.5

        def supports(self, ancestor, target):
            return "only so deep" if target.depth != 2 else None

        def condense(self, ancestor, lab):
            return Learngene(tensors={}, meta={})

        def initialize(self, target, learngene, lab):
            if len(target.blocks) != 2:
                raise ValueError("only so deep")
            for p in target.parameters():
                p.data.mul_(self.scale)
"""


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """A function: what `bench check` prints of a class in a file, and its exit code. Changes to it are replacements."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(*changes, arguments=()):
        text = dedent(SOUND)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "my_checked_method.py").write_text(text)
        sys.modules.pop("my_checked_method", None)
        importlib.invalidate_caches()
        code = bench("check", "my_checked_method:Mine", *arguments)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    yield run
    sys.modules.pop("my_checked_method", None)


def test_a_sound_method(checked):
    code, lines, _ = checked(arguments=["--option", "scale=0.25"])
    assert code == 0 and lines[0] == "my_checked_method:Mine, version 1, with scale=0.25"
    assert "        serves: shallower" in lines and "        not wider: only so deep" in lines
    kept = [line for line in lines if line.startswith("kept")]
    assert len(kept) == 13 and lines[-1] == "13 promises kept, 0 broken"
    assert any("the docstring of Mine has no Source:" in line for line in lines if line.startswith("advice"))
    assert "        stored: 0 parameters and 0 of the head, 0 bytes" in lines
    assert any(line.startswith("        learngene: 0 images, 0 FLOPs, ") for line in lines)
    assert any(line.startswith("        run: 160 images, ") and "needs" not in line for line in lines)


def test_several_broken_promises_are_all_told_with_the_line_of_the_method(checked, tmp_path):
    code, lines, _ = checked(("p.data.mul_(self.scale)", "p.data.mul_(undefined)"))
    broken = [line for line in lines if line.startswith("BROKEN")]
    assert code == 1 and lines[-1].endswith(f"{len(broken)} broken") and len(broken) >= 4
    assert f"(shallower): NameError: name 'undefined' is not defined ({tmp_path}/my_checked_method.py:22)" in broken[0]
    assert sum("NameError" in line for line in broken) == 1, "what breaks several promises is told once"
    assert any("as told above of: condense" in line or "as told above of: initialize" in line for line in broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("p.data.mul_(self.scale)", "p.data.normal_()"), "neither given by the method nor"),
        (("scale: float = 0.5", "scale: float"), "TypeError"),
        (('raise ValueError("only so deep")', "return"), "fills a target that supports refuses"),
        (("return Learngene(tensors", "lab.targets; return Learngene(tensors"), "TypeError: condense read lab.targets"),
        (("def supports(self, ancestor, target):", "def supports(self):"), "supports says which sizes it serves"),
        (('if target.depth != 2 else None', ""), "it serves one of the sizes"),
    ],
)  # fmt: skip
def test_a_broken_promise(change, message, checked):
    code, lines, _ = checked(change)
    assert code == 1 and any(message in line for line in lines if line.startswith("BROKEN")), lines


def test_what_it_is_seen_to_use_is_held_against_what_it_says(checked):
    read = "next(iter(lab.batches(4, name='x'))); return Learngene(tensors"
    code, lines, _ = checked(("return Learngene(tensors", read))
    advice = [line for line in lines if line.startswith("advice")]
    assert code == 0 and any("seen to use images; its class says nothing" in line for line in advice)
    assert any(line.startswith("        learngene: 4 images") and line.endswith("needs images") for line in lines)


def test_training_without_saying_so_is_refused_as_in_a_job(checked):
    fit = "import torch; lab.fit(torch.nn.Flatten(), name='x', recipe={}); return Learngene(tensors"
    code, lines, _ = checked(("return Learngene(tensors", fit))
    assert code == 1 and any("trains = True" in line for line in lines)


def test_a_method_of_the_project_with_an_ancestor_and_a_teacher(monkeypatch, capsys):
    sizes = {"deeper": contract.ANCESTOR.replace(depth=9)}  # the contract itself is tested elsewhere
    monkeypatch.setattr(contract, "sizes_around", lambda ancestor: sizes)
    monkeypatch.setattr(contract, "PROMISES", {})
    assert bench("check", "sws", "--option", "stages=2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("learngene: 160 images" in line and "needs ancestor, images, teacher" in line for line in lines)
    assert not any(line.startswith(("advice", "BROKEN")) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wavee"], "unknown method 'wavee'; did you mean 'wave'?"),
        (["nowhere_at_all:Mine"], "No module named 'nowhere_at_all'"),
        (["random", "--option", "shceme=jax"], "--option: random has no option 'shceme'; did you mean 'scheme'?"),
        (["random", "--option", "jax"], "--option jax: expected KEY=VALUE"),
    ],
)
def test_what_cannot_be_checked(arguments, message, capsys):
    assert bench("check", *arguments) == 2
    assert message in capsys.readouterr().err


def test_options_that_the_small_model_does_not_fit_are_told_how_to_change(capsys):
    assert bench("check", "wave") == 1
    assert "blocks of width 32; options for larger ones are given as --option NAME=VALUE" in capsys.readouterr().out
