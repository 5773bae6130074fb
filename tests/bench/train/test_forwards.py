"""Forward passes of a method that are on no meter."""

import pytest

from bench.store.log import read as read_log
from tests.bench.tiny import SUITE, bench, rows, write

METHOD = """
from dataclasses import dataclass
import torch
from methods import Initializer, Learngene

@dataclass
class Looking(Initializer):
    ancestors = 0
    trains = {trains}
    def condense(self, ancestor, lab):
        {condense}
        return Learngene(tensors={{}}, meta={{}})
    def initialize(self, target, learngene, lab):
        {initialize}
"""
LOOK = "[target(batch) for batch in lab.batches(256, name='look')]"
NET = "net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)); "
CASES = {
    "a pass for each batch": ("pass", LOOK, 2),
    "after all were drawn": ("pass", "images = list(lab.batches(256, name='look')); target(images[0])", 1),
    "before any was drawn": ("pass", "target(torch.zeros(2, 1, 8, 8)); list(lab.batches(8, name='look'))", 0),
    "in condense": (NET + "[net(batch) for batch in lab.batches(128, name='look')]", "pass", 1),
    "in both": (NET + "[net(batch) for batch in lab.batches(128, name='look')]", LOOK, 3),
    "on a meter": ("pass", f"with lab.meter('look'): {LOOK}", 0),
    "partly": ("pass", LOOK + "; images = next(DRAW)\n        with lab.meter('m'): target(images)", 2),
    "accuracy": ("pass", "list(DRAW); lab.accuracy(target)", 0),
    "one that fails": (
        "pass", "list(DRAW)\n        try: target(torch.zeros(1))\n        except Exception: " + LOOK, 3,
    ),
    "a fit": (
        NET + "list(DRAW); lab.fit(net, name='fit', recipe={'steps': 2}); net(torch.zeros(1, 64))", "pass", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_passes_on_no_meter_are_counted_and_warned_of(case, tmp_path, monkeypatch, capsys):
    condense, initialize, passes = CASES[case]
    condense, initialize = (text.replace("DRAW", "lab.batches(8, name='draw')") for text in (condense, initialize))
    name = "looking_" + case.replace(" ", "_")
    text = METHOD.format(condense=condense, initialize=initialize, trains="lab.fit" in condense)
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = write(tmp_path, SUITE.replace("random: {}", f"looking: {{use: '{name}:Looking'}}"))
    options = ("--only", "looking-L1-*-s0", "--launcher", "inline", "--set", "train.epochs=0")
    assert bench("run", path, "--results", tmp_path / "r", *options) == 0
    (row,) = rows(tmp_path / "r")
    assert row["unmetered"] == str(passes)
    said = " ".join(capsys.readouterr().out.split())
    assert ("looking: some forward passes were on no meter" in said) == bool(passes)
    logs = [line for log in (tmp_path / "r").glob("jobs/*/Looking-*/log.jsonl") for line in read_log(log)]
    warnings = [line["message"] for line in logs if line["event"] == "warning"]
    assert sum(int(message.split()[0]) for message in warnings) == passes


def test_methods_here_are_charged_for_all(tiny_results, tmp_path):
    looking = "{lsuv: {images: 64}, auto_lg: {}, merge: {how: regmean, images: 64}}"
    path = write(tmp_path, SUITE.replace("depth: [1, 3]", "depth: [1]"))
    options = ("--launcher", "inline", "--set", f"methods={looking}", "--set", "train.epochs=0", "--set", "seeds=1")
    assert bench("run", path, "--results", tmp_path / "r", *options) == 0
    assert {row["method"]: row["unmetered"] for row in rows(tmp_path / "r")} == dict.fromkeys(
        ("lsuv", "auto_lg", "merge"), "0"
    )
    assert {row["unmetered"] for row in rows(tiny_results) if row["status"] == "done"} == {"0"}
