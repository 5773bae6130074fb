"""Parts of tests/performance/gpu.py whose code runs in no other test without a GPU."""

import copy
import functools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.optim import AdamW

from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts import TINY
from tests.performance.gpu_parts.memory import memory
from tests.performance.gpu_parts.rows import FAILED, Left, Row
from tests.performance.gpu_parts.shards import shards
from tests.performance.gpu_parts.size import REAL
from tests.performance.gpu_parts.small import Times
from tests.performance.gpu_parts.stack import stack_step
from tests.performance.gpu_parts.suite import only
from tests.performance.gpu_parts.train_py import train_py
from tests.performance.gpu_parts.wave import wave

CPU = torch.device("cpu")
# As much of timm's train.py as is measured.
TRAIN_PY = """
import argparse, sys, yaml
import torch
from timm.models import create_model

def create_dataset(*given, **named): raise AssertionError("a data set was opened")
create_loader = validate = create_dataset

def train_one_epoch(epoch, model, loader, optimizer):
    for images, labels in loader:
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

def main():
    words = dict(zip(sys.argv, sys.argv[1:]))
    first = sys.argv.index("--model-kwargs") + 1
    told = [word.split("=") for word in sys.argv[first : first + 5]]
    settings = yaml.safe_load(open(words["--config"]))
    sizes = {name: int(value) for name, value in told[:4]} | {"img_size": settings["img_size"]}
    model = create_model(
        words["--model"], num_classes=int(words["--num-classes"]), global_pool=words["--gp"], class_token=False, **sizes
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = create_loader(create_dataset())
    for epoch in range(int(words["--epochs"])):
        train_one_epoch(epoch, model, loader, optimizer)
        assert validate()["top1"] == 0
"""


@pytest.fixture
def light_compiler(monkeypatch):
    """Everything of torch.compile but its slowest part."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))


def rows_of(messages):
    rows = [message for message in messages if isinstance(message, Row)]
    assert not [row for row in rows if row.what.startswith(FAILED)]
    return rows


def test_what_is_compiled_is_measured(light_compiler):
    size = replace(TINY, compiled=(False, True))
    measured = {(row.case, row.what): row.value for row in rows_of(memory(CPU, size))}
    for what in ("images/s", "seconds of compiling", "times timm's loop uncompiled"):
        assert measured["tiny, compiled", what] > 0
    assert measured["tiny, timm's loop compiled too", "times timm's loop"] > 0
    assert [row.case for row in rows_of(wave(CPU, size)) if row.target] == ["tiny, compiled", "tiny"]
    cases = {row.case.split(", ")[-1] for row in rows_of(shards(CPU, size)) if ", compiled, " in row.case}
    assert cases == {"as the ImageNet suites", "crop and flip"}


def planned(part):
    """The cases of a part on a GPU, in order; nothing is measured."""
    return next(message.cases for message in part(CPU, REAL) if isinstance(message, Left))


def test_targets_are_measured_before_what_takes_longest_to_compile(monkeypatch):
    monkeypatch.setitem(memory.__globals__, "matrix_rate", lambda *_: 1.0)
    memories, waves = planned(memory), planned(wave)
    kinds = [case.partition(", ")[2] for case in memories]
    assert kinds == 3 * [""] + 3 * ["compiled"] + 3 * ["timm's loop compiled too"]
    assert memories[0] == "deit_tiny" and waves[:2] == ("deit_tiny, compiled", "deit_tiny")


def test_stacked_models_are_trained_as_each_alone():
    spec = VitSpec(16, 2, 2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
    torch.manual_seed(0)
    models = [build_vit(spec) for _ in range(3)]
    images, labels = torch.randn(3, 4, 1, 8, 8), torch.randint(10, (3, 4))
    alone = copy.deepcopy(models[1])
    step, parameters = stack_step(models, images, labels, lambda given, device: AdamW(given, lr=1e-3, fused=True))
    optimizer = AdamW(alone.parameters(), lr=1e-3, fused=True)
    for _ in range(3):
        step()
        optimizer.zero_grad()
        F.cross_entropy(alone(images[1]), labels[1]).backward()
        optimizer.step()
    assert not any(p.grad.requires_grad for p in parameters)  # else each step keeps those before it
    for stacked, own, start in zip(parameters, alone.parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(stacked[1], own, atol=1e-5) and not torch.allclose(own, start, atol=1e-5)


def test_timms_train_py_is_measured_where_it_is_given(tmp_path):
    (tmp_path / "train.py").write_text(TRAIN_PY)
    measured = rows_of(train_py(CPU, replace(TINY, train_py=tmp_path / "train.py")))
    assert [row.what for row in measured] == ["images/s", "images/s", "ours, times it"]
    assert all(row.value > 0 for row in measured)


def test_every_worker_of_a_packing_does_as_many_runs():
    for name in {packing.name for packing in REAL.packings}:
        packings = [packing for packing in REAL.packings if packing.name == name]
        assert len({packing.each for packing in packings}) == 1
        assert [(packing.jobs > 1, packing.mps) for packing in packings] == [
            (False, False),
            (True, False),
            (True, True),
        ]
    log = [{"event": "start", "time": 1.0, "pid": 7}, *({"event": "eval", "time": t} for t in (2.0, 3.0))]
    assert Times.of([*log, {"event": "done", "time": 4.0}]) == Times(7, 1.0, 2.0, 4.0)


def test_five_methods_are_compared():
    cells = " ".join(only(words) for words in REAL.suite).split()
    assert sorted(cells) == [f"{m}-L4-*" for m in ("mixture_growth", "random", "sws", "wave", "weight_selection")]
