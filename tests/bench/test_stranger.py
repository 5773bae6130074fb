"""A stranger's path, by what README, docs and messages say: from a folder of PNGs, or an own model, to the page."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from bench.report.columns import JOINED
from methods.vit import VitSpec, build_vit
from tests.bench.tiny import bench, rows

PROJECT = Path(__file__).parents[2]
SHORT = ["--launcher", "inline", "--set", "seeds=1", "--set", "train.epochs=2"]  # the same path, in seconds
# columns of runs.csv that this path leaves empty: no failure, control, family, second ancestor or tuning is in it
EMPTY = {
    "reason",
    "error",
    "control",
    "families",
    "ancestor_each",
    "tune",
    "tuning",
    "tuning_workers",
    "tuning_devices",
}
EMPTY |= {"eval", *(column.name for column in JOINED)}
MAYBE_EMPTY = {"git_sha", *(f"{part}energy_joules" for part in ("", "ancestor_", "learngene_", "tuning_", "init_"))}


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """28-pixel PNGs in class folders: a bright square whose place is the class."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for c, name in enumerate(("aster", "borage", "clover")):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 90, (28, 28), dtype=np.uint8)
            pixels[8 * c : 8 * c + 10, 8:20] += 150
            Image.fromarray(pixels).save(tmp_path / "flowers" / name / f"{i}.png")
    return tmp_path


def commands():
    """Those that README gives for a folder of images, as arguments."""
    (block,) = re.findall(r"<!-- command: own images -->\n```\n(.*?)```", (PROJECT / "README.md").read_text(), re.S)
    lines = [shlex.split(line.replace("/data/flowers", "flowers"), comments=True) for line in block.splitlines()]
    assert [line[:3] for line in lines] == [["python", "-m", "bench"]] * 5
    return [line[3:] for line in lines]


def test_from_a_folder_of_images_to_the_page(flowers, capsys):
    for command in commands():
        more = [*SHORT, "--set", "ancestor.train.epochs=3", "--only", "*-L2-*"] if command[0] == "run" else []
        assert bench(*command, *more) == 0, command
    out = capsys.readouterr().out
    assert "all 28x28 pixels, grey" in out and "nothing is missing" in out
    table = rows(flowers / "results", "flowers")
    assert {row["status"] for row in table} == {"done"} and len(table) == 5
    assert {row["method"] for row in table} == {"random", "weight_selection", "sws", "mixture_growth", "wave"}
    assert {row["train_images"] for row in table} == {str(2 * 2 * 32)}  # two epochs of 84 in batches of 32
    assert all(0 <= float(row["ancestor_top1"]) <= 100 for row in table if row["ancestor"])
    assert len((flowers / "results" / "flowers" / "report.html").read_text()) > 10_000
    assert {name for name in table[0] if not any(row[name] for row in table)} - MAYBE_EMPTY == EMPTY


def test_with_an_own_checkpoint(flowers, capsys):
    """With its class token: the message names the one key that is missing, and the docs have it."""
    assert bench("new", "suite", "flowers") == 0
    spec = VitSpec(
        192, 4, 3, patch_size=4, img_size=28, in_chans=1, num_classes=3, class_token=True, global_pool="token"
    )
    torch.manual_seed(0)
    torch.save(build_vit(spec).state_dict(), "weights.pth")
    suite = yaml.safe_load(Path("flowers.yaml").read_text())
    example = re.search(r"```yaml\n(.*?)```", (PROJECT / "docs" / "checkpoints.md").read_text(), re.S)
    documented = yaml.safe_load(example[1])
    assert documented["ancestor"] == {"checkpoint": "weights.pth", "num_heads": 3}
    (target,) = documented["targets"]
    suite |= {"ancestor": {"checkpoint": "weights.pth"}, "targets": [target | {"depth": [1, 2]}]}
    Path("flowers.yaml").write_text(yaml.safe_dump(suite))
    capsys.readouterr()
    assert bench("plan", "flowers.yaml") == 2
    assert "with 4 layers, patches of 4 and a class token" in (said := capsys.readouterr().err)
    (key,) = re.findall(r"expected (num_heads: \d+),", said)
    suite["ancestor"] |= yaml.safe_load(key)
    assert suite["ancestor"] == documented["ancestor"]
    Path("flowers.yaml").write_text(yaml.safe_dump(suite))
    for command in ("doctor", "plan", "run", "report"):
        more = [*SHORT, "--only", "random-*", "--only", "weight_selection-*"] if command == "run" else []
        assert bench(command, "flowers.yaml", *more) == 0, command
    assert "nothing is missing" in capsys.readouterr().out
    table = rows(Path("results"), "flowers")
    assert {row["status"] for row in table} == {"done"} and len(table) == 4
    assert {row["embed_dim"] for row in table} == {"192"} and Path("results/flowers/report.html").exists()
