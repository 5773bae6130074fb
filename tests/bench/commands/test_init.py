"""`bench init`: a start in one command, which timm loads elsewhere with the same logits."""

import json
import os
import subprocess
import sys

import pytest
import timm
import torch
from safetensors.torch import load_file

import methods
from bench import api
from bench.suite import load
from methods.vit import VitSpec, build_vit
from tests.bench.jobs.weights_from_elsewhere import random_model
from tests.bench.tiny import bench, write

SMALL = VitSpec(embed_dim=16, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
ELSEWHERE = """
import json, sys, timm, torch
for line in sys.stdin:
    folder, images, logits = json.loads(line)
    model = timm.create_model("local-dir:" + folder, pretrained=True).eval()
    torch.save(model(torch.load(images)).detach(), logits)
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def logits_elsewhere():
    """A function: what a model of timm computes in a process that knows nothing of this project."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {"OMP_NUM_THREADS": "1", "PATH": ""}
    with subprocess.Popen([sys.executable, "-c", ELSEWHERE], cwd="/", env=environment, **pipes) as process:

        def computed(folder, images, place):
            torch.save(images, place / "images.pt")
            paths = (folder, place / "images.pt", place / "logits.pt")
            print(json.dumps([str(path) for path in paths]), file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"
            return torch.load(place / "logits.pt")

        yield computed


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A file of weights of a small ViT, and the model."""
    torch.manual_seed(5)
    model = build_vit(SMALL).eval()
    path = tmp_path_factory.mktemp("small") / "small.pth"
    torch.save(model.state_dict(), path)
    return model, path


def test_a_deit_to_a_start_of_six_blocks_in_one_command(logits_elsewhere, tmp_path, capsys, monkeypatch):
    """By weight selection block i of the start is block i of the model, and the rest but the head is the model's."""
    deit = random_model("deit_tiny_patch16_224", pretrained=False)
    torch.save(deit.state_dict(), tmp_path / "deit.pth")
    out, source = tmp_path / "start", ("--from", tmp_path / "deit.pth", "--heads", 3)
    monkeypatch.chdir(tmp_path)
    size = ("--to", "depth=6,embed_dim=192,num_heads=3", "--option", "head=transfer")
    assert bench("init", out, "--method", "weight_selection", *source, *size) == 0
    assert not (tmp_path / "results").exists(), "what trains nothing leaves nothing else"
    shown = capsys.readouterr().out
    assert f'timm.create_model("local-dir:{out}", pretrained=True)' in shown and "head: transfer" in shown
    expected = timm.create_model("deit_tiny_patch16_224", depth=6).eval()
    expected.load_state_dict({name: deit.state_dict()[name] for name in expected.state_dict()})
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert expected(images).equal(logits_elsewhere(out, images, tmp_path))
    config = json.loads((out / "config.json").read_text())
    assert config["model_args"]["class_token"] is True and config["model_args"]["num_classes"] == 1000


def test_a_learngene_that_somebody_else_made(small, logits_elsewhere, tmp_path):
    ancestor, _ = small
    gene = methods.get("weight_selection").condense(ancestor, None)
    gene.save(tmp_path / "gene.safetensors")
    taken = ("--learngene", tmp_path / "gene.safetensors")
    assert bench("init", tmp_path / "start", "--method", "weight_selection", *taken, "--to", "depth=1") == 0
    state = load_file(tmp_path / "start" / "model.safetensors")
    assert state["blocks.0.attn.qkv.weight"].equal(gene.tensors["blocks.0.attn.qkv.weight"])
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = build_vit(SMALL.replace(depth=1)).eval()
    model.load_state_dict(state)
    with torch.inference_mode():
        assert model(images).equal(logits_elsewhere(tmp_path / "start", images, tmp_path))


def test_the_suite_that_it_prints_runs_from_the_same_start(small, tmp_path, capsys):
    """Its run, with the same images' sizes, begins with the weights that init wrote, bit for bit."""
    _, path = small
    arguments = ("--method", "weight_selection", "--from", path, "--heads", 2, "--to", "depth=1")
    data = ("--dataset", "digits", "--classes", "same", "--set", "seeds=[3]")
    assert bench("init", tmp_path / "start", *arguments, *data) == 0
    capsys.readouterr()
    assert bench("init", "--print-suite", *arguments, *data) == 0
    text = capsys.readouterr().out
    assert text.startswith("# as bench init makes it")
    suite = write(tmp_path, text)
    results = tmp_path / "r"
    assert bench("run", suite, "--launcher", "inline", "--results", results, "--set", "keep_weights=start") == 0
    (start,) = results.glob("jobs/run/*/start.safetensors")
    run, alone = load_file(start), load_file(tmp_path / "start" / "model.safetensors")
    assert run.keys() == alone.keys() and all(run[name].equal(alone[name]) for name in run)
    config = json.loads((tmp_path / "start" / "config.json").read_text())
    assert config["label_names"] == [str(n) for n in range(10)] and config["pretrained_cfg"]["mean"] == [0.3053]


def test_a_method_that_trains_leaves_its_jobs_and_takes_them_again(small, tmp_path, capsys):
    _, path = small
    arguments = ("--method", "sws", "--from", path, "--heads", 2, "--option", "stages=2", "--results", tmp_path / "r")
    assert bench("init", tmp_path / "a", *arguments, "--to", "depth=3") == 2
    assert "sws trains to make its learngene; expected --dataset" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
    data = ("--dataset", "digits", "--classes", "same", "--set", "methods.sws.train={epochs: 1, batch_size: 256}")
    assert bench("init", tmp_path / "a", *arguments, "--to", "depth=3", *data) == 0
    assert "2 jobs to do first" in capsys.readouterr().out
    assert {path.parent.name for path in tmp_path.glob("r/jobs/*/*")} == {"ancestor", "learngene"}
    (learngene,) = (path.name for path in tmp_path.glob("r/jobs/learngene/*"))
    assert bench("init", tmp_path / "b", *arguments, "--to", "depth=3", *data) == 0
    assert "to do first" not in capsys.readouterr().out
    again = ("--method", "sws", "--option", "stages=2", "--learngene", learngene, "--results", tmp_path / "r")
    size = ("--to", "depth=3,embed_dim=16,num_heads=2,patch_size=4", "--img-size", 8, "--classes", 10)
    assert bench("init", tmp_path / "c", *again, *size, "--set", "dataset.in_chans=1", *GREY) == 0
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(a[name].equal(b[name]) for name in a)
    assert all(a[name].equal(c[name]) for name in a if not name.startswith("head.")), "by its id, without the images"


GREY = ("--set", "dataset.mean=[0.5]", "--set", "dataset.std=[0.5]")


def test_from_python(small, tmp_path):
    _, path = small
    start = api.start("weight_selection", source=str(path), heads=2, to={"depth": 1}, classes=7)
    start.save(tmp_path / "start")
    assert timm.create_model(f"local-dir:{tmp_path / 'start'}", pretrained=True).num_classes == 7
    assert start.model.head.out_features == 7 and start.facts["head_used"] == "fresh"
    (tmp_path / "again.yaml").write_text(start.suite)
    assert "# $IMAGES: a folder of images" in start.suite
    assert "num_classes: 7" in start.suite and "classes: other" in start.suite
    exported = api.start("weight_selection", source=str(tmp_path / "start"), to={"depth": 1})
    state = exported.model.state_dict()
    assert all(tensor.equal(state[name]) for name, tensor in start.model.state_dict().items() if "head" not in name)


def test_an_export_is_a_checkpoint_of_suites(small, tmp_path):
    _, path = small
    api.start("weight_selection", source=str(path), heads=2, to={"depth": 1}, classes=10).save(tmp_path / "start")
    text = f"""
name: next
dataset: digits
ancestor: {{checkpoint: {tmp_path / "start" / "model.safetensors"}, classes: same}}
targets: [{{depth: 1}}]
methods: {{weight_selection: {{}}}}
"""
    suite = load(write(tmp_path, text))
    assert suite.base_spec(suite.ancestors["ancestor"], suite.data[0]) == SMALL.replace(depth=1), "heads and all"


def test_a_method_that_needs_nothing(tmp_path):
    size = "depth=1,embed_dim=16,num_heads=2,patch_size=8"
    for seed in (0, 1, 1):
        arguments = ("--to", size, "--img-size", 16, "--classes", 5, "--seed", seed, "--force")
        assert bench("init", tmp_path / f"start-{seed}", "--method", "random", *arguments) == 0
    states = [load_file(tmp_path / f"start-{seed}" / "model.safetensors") for seed in (0, 1)]
    assert states[0]["head.weight"].shape == (5, 16) and not states[0]["head.weight"].equal(states[1]["head.weight"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("OUT --method weight_selectio --from FILE --heads 2", "did you mean 'weight_selection'?"),
        ("OUT --method weight_selection", "weight_selection needs an ancestor; expected --from timm:NAME or a file"),
        ("OUT --method weight_selection --from timm:deit_tinyy", "timm has no model 'deit_tinyy'; did you mean"),
        ("OUT --method weight_selection --from nowhere.pth", "--from nowhere.pth: no such file; expected timm:NAME"),
        (
            "OUT --method weight_selection --from FILE",
            "how many heads it has cannot be read from it; expected --heads N",
        ),
        ("OUT --method weight_selection --from FILE --heads 2 --to depth=9", "cannot grow depth: ancestor 2, target 9"),
        (
            "OUT --method weight_selection --from FILE --heads 2 --to dept=1",
            "unknown key 'dept'; did you mean 'depth'?",
        ),
        ("OUT --method weight_selection --from FILE --heads 2 --to depth=[1,2]", "--to"),
        ("OUT --method weight_selection --from FILE --heads 2 --to depth", "--to depth: expected KEY=VALUE"),
        ("OUT --method weight_selection --from FILE --heads 2 --option rul=random", "did you mean 'rule'?"),
        ("OUT --method weight_selection --learngene FILE", "cannot be read as a learngene"),
        ("OUT --method weight_selection --learngene nothing-at-all", "no job in results is 'nothing-at-all'"),
        ("OUT --method subcloning --from FILE --heads 2 --to depth=1", "subcloning reads images; expected --dataset"),
        ("OUT --method random --classes many", "--classes many: expected a whole number"),
        ("OUT --method random --classes 4 --dataset digits", "the data set says how many there are"),
        ("HERE --method random", "is there already; expected a new folder, or --force"),
        ("results/jobs/run/x --method random", "is among the jobs of results"),
        ("--method random", "expected OUT, the folder that is made, or --print-suite"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(arguments, message, small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = {"FILE": small[1], "HERE": tmp_path}
    assert bench("init", *(words.get(word, word) for word in arguments.split())) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


CONFIGS = {
    "a list": [1],
    "no mapping": {"model_args": None},
    "a word": {"model_args": {"num_heads": "x"}},
    "images of nothing": {"model_args": {"num_heads": 2}, "pretrained_cfg": None},
    "a mean of one": {"model_args": {"num_heads": 2}, "pretrained_cfg": {"mean": 5}},
    "a crop of letters": {"model_args": {"num_heads": 2}, "pretrained_cfg": {"crop_pct": "x"}},
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_strangers_folder_that_says_odd_things(config, tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert bench("init", tmp_path / "out", "--method", "weight_selection", "--from", tmp_path, "--to", "depth=1") == 2
    assert f"{tmp_path / 'config.json'}: " in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_pipe_as_a_config_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "config.json")
    assert bench("init", tmp_path / "out", "--method", "weight_selection", "--from", tmp_path, "--to", "depth=1") == 2
    assert "no config.json in it that can be read" in capsys.readouterr().err


def test_a_learngene_of_another_method(tmp_path, capsys):
    methods.Learngene({"x": torch.zeros(1)}, {}).save(tmp_path / "gene.safetensors")
    gene = ("--learngene", tmp_path / "gene.safetensors", "--classes", 5, "--to", "depth=1")
    assert bench("init", tmp_path / "out", "--method", "weight_selection", *gene) == 1
    assert "gene.safetensors lacks 'ancestor'; is it another method's?" in capsys.readouterr().err
