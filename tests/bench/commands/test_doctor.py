"""`bench doctor`: the machine it runs on, and what a suite needs of it."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bench.data.known import DEFAULTS, SIZES
from tests.bench.jpegs import write_images
from tests.bench.tiny import bench, write

CLASSES = ["ant", "bee", "cat"]
SUITE = """
name: tiny
dataset: {name: photos, source: folder, root: ROOT, img_size: 16, val_fraction: 0.2}
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}]
methods: {random: {}}
train: {epochs: 1, batch_size: 8}
"""
ANCESTOR = "ancestor: {model: {timm: vit_tiny_patch16_224}}\n"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("photos"), CLASSES, {"train": 6, "val": 2})


def lines(text, topic):
    return [line for line in text.splitlines() if line[8:].startswith(topic)]


def test_the_machine(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMAGENET", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    (tmp_path / "train").mkdir()
    assert bench("doctor", "--results", tmp_path / "results") == 0
    out = capsys.readouterr().out
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in lines(out, "python")[0]
    assert "GB free on" in lines(out, "results")[0]
    assert lines(out, "locks")[0].startswith("ok")
    assert any(f"IMAGENET={tmp_path}: train" in line for line in lines(out, "data"))
    assert any("BENCH_DATA is not set" in line for line in lines(out, "data"))
    assert [path.name for path in tmp_path.iterdir()] == ["train"]  # nothing stays behind


def test_it_does_not_import_torch_without_a_gpu(photos, tmp_path):
    code = "import sys; from bench.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    words = ["doctor", str(suite(tmp_path, photos)), "--results", str(tmp_path), "--launcher", "local"]
    environment = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *words], check=True, env=environment)


def suite(folder, root, extra=""):
    return write(folder, SUITE.replace("ROOT", str(root)) + extra)


def test_a_suite_that_can_run(photos, tmp_path, capsys):
    assert bench("doctor", suite(tmp_path, photos), "--results", tmp_path) == 0
    out = capsys.readouterr().out
    assert "1 runs, 3 jobs" in out or "1 runs, 2 jobs" in out
    assert any("photos: 14 train, 4 val, 6 test images of 3 classes" in line for line in lines(out, "data"))
    assert lines(out, "disk")[0].startswith("ok") and out.rstrip().endswith("nothing is missing")


def test_what_a_plan_warns_of_is_noted(photos, tmp_path, capsys):
    path = suite(tmp_path, photos)
    path.write_text(path.read_text().replace("epochs: 1,", "steps: 3, warmup_steps: 3,"))
    assert bench("doctor", path, "--results", tmp_path / "results") == 0
    (line,) = lines(capsys.readouterr().out, "suite")
    assert line.startswith("note") and "warmup_steps" in line


def test_what_is_missing(photos, tmp_path, monkeypatch, capsys):
    for name in ("HF_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    file = suite(tmp_path, tmp_path / "none")
    assert bench("doctor", file, "--results", tmp_path, "--set", "device=cuda") == 1
    out = capsys.readouterr().out
    missing = [line for line in out.splitlines() if line.startswith("missing ")]
    assert any("none is not a folder; expected part/class/image" in line for line in missing)
    assert any("device: cuda" in line and "--set device=cpu" in line for line in missing)
    assert out.rstrip().endswith(f"missing: {len(missing)}")


def test_prepared_data_is_looked_for(photos, tmp_path, capsys):
    file, out = suite(tmp_path, photos), tmp_path / "out"
    words = ("--results", tmp_path, "--set", f"prepared={out}")
    assert bench("doctor", file, *words) == 1
    (words_to_type,) = re.findall("photos is not prepared in .*: python -m bench (.*)\n", capsys.readouterr().out)
    assert bench(*words_to_type.replace("SUITE", str(file)).split(), "--jobs", 1) == 0
    assert bench("doctor", file, *words) == 0
    assert "3 classes, prepared" in capsys.readouterr().out


def test_a_known_set_with_too_few_images(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(DEFAULTS, "cub200", DEFAULTS["cub200"] | {"num_classes": 3})
    data = f"{{name: cub200, root: {photos}, img_size: 16, val_fraction: 0.2}}"
    file = write(
        tmp_path, SUITE.replace("{name: photos, source: folder, root: ROOT, img_size: 16, val_fraction: 0.2}", data)
    )
    assert bench("doctor", file, "--results", tmp_path) == 0
    noted = [line for line in lines(capsys.readouterr().out, "data") if line.startswith("note")]
    assert any("cub200: 18 images in train, known are 5,994" in line for line in noted), noted
    monkeypatch.setitem(SIZES, "cub200", (18, 6))
    assert bench("doctor", file, "--results", tmp_path) == 0
    assert "known are" not in capsys.readouterr().out


def test_weights_that_timm_would_fetch(photos, tmp_path, capsys):
    from bench.doctor.weights import timm_weights

    found = timm_weights("vit_tiny_patch16_224")
    assert found.state in ("ok", "note", "missing") and "vit_tiny_patch16_224" in found.text
    assert found.state == "ok" or "huggingface.co/timm/vit_tiny_patch16_224" in found.how or "HF_HUB" in found.how
    words = ("--set", "dataset.img_size=224", "--results", tmp_path)
    bench("doctor", suite(tmp_path, photos, ANCESTOR.replace("}}", "}, convert: {}}")), *words)
    assert not lines(capsys.readouterr().out, "weights")  # random needs no ancestor


def test_a_suite_that_is_wrong(photos, tmp_path, capsys):
    file = suite(tmp_path, photos, "seedz: 3\n")
    assert bench("doctor", file) == 2
    assert "seedz" in capsys.readouterr().err


def test_a_partition_that_is_not_there(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bench.doctor.suite.partitions", lambda: ["gpu", "old"])
    words = ("--launcher", "slurm", "--results", tmp_path, "--set")
    bench("doctor", suite(tmp_path, photos), *words, "slurm.partition=new")
    assert "Slurm has no partition new -> there are: gpu, old" in capsys.readouterr().out
    bench("doctor", suite(tmp_path, photos), *words, "slurm.partition=old")
    assert "no partition" not in capsys.readouterr().out


@pytest.fixture
def pets(tmp_path, monkeypatch):
    """A folder of two classes in the working directory, and a suite of it that `bench new` made."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(5):
            pixels = np.random.default_rng(i).integers(0, 256, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{i}.png")
    assert bench("new", "suite", "pets") == 0
    return tmp_path / "pets"


def test_doctor_opens_an_image_of_each_class(pets, capsys):
    assert bench("doctor", "pets.yaml") == 0
    assert "pets: an image of each of the 2 classes was opened" in capsys.readouterr().out
    for path in (pets / "b").iterdir():
        path.write_bytes(b"no image")
    assert bench("doctor", "pets.yaml") == 1
    out = capsys.readouterr().out
    assert "pets: of an image of each class 1 of 2 cannot be read: " in out and "repair or remove them" in out


def test_doctor_opens_images_of_shards_too(pets, capsys):
    assert bench("prepare", "pets.yaml", "--out", "ready", "--jobs", 1) == 0
    capsys.readouterr()
    assert bench("doctor", "pets.yaml", "--set", "prepared=ready") == 0
    assert "an image of each of the 2 classes was opened" in capsys.readouterr().out
