"""Ancestors from elsewhere in a plan: their size, their identity, and what is wrong with them, without torch."""

import subprocess
import sys

import pytest
import yaml

from bench.plan import make_plan
from bench.suite import load
from bench.suite.json_schema import schema
from methods.vit import VitSpec, build_vit
from tests.bench.jpegs import write_images
from tests.bench.suite.test_json_schema import wrong
from tests.bench.tiny import bench, write

SUITE = """\
name: elsewhere
dataset: {name: colours, source: folder, root: ROOT, img_size: 224}
ancestor: ANCESTOR
targets: [{depth: [2, 4]}]
methods: {weight_selection: {}}
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("colours"), ["ant", "bee"], {"train": 4, "val": 2}, size=8)


def path_of(folder, images, ancestor):
    return write(folder, SUITE.replace("ROOT", str(images)).replace("ANCESTOR", ancestor))


def plan(folder, images, ancestor, *settings):
    return make_plan(load(path_of(folder, images, ancestor), list(settings)))


def ancestor_job(made):
    (job,) = (job for job in made.jobs.values() if job.kind == "ancestor")
    return job


def saved(path, size, *, scale=1.0, **options):
    """Weights of a ViT as torch.save, or safetensors, writes them, under timm's names; large ones are not drawn."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = {name: scale * t for name, t in build_vit(size, **options).state_dict().items()}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


TINY = VitSpec(24, 2, 2, patch_size=16, num_classes=2)
TOKEN = TINY.replace(class_token=True, global_pool="token")
CONVERT = "convert: {class_token: drop, global_pool: avg}"


@pytest.mark.parametrize(
    ("ancestor", "spec"),
    [
        ("{model: {timm: deit_small_patch16_224}}", VitSpec(384, num_heads=6, class_token=True, global_pool="token")),
        (f"{{model: {{timm: deit_small_patch16_224}}, {CONVERT}}}", VitSpec(384, num_heads=6)),
        ("{model: {timm: vit_base_patch16_384}, convert: {positions: interpolate, global_pool: avg}}",
         VitSpec(768, num_heads=12, class_token=True)),
        ("{model: {timm: deit3_small_patch16_224}, convert: {layer_scale: fold, class_token: drop, global_pool: avg}}",
         VitSpec(384, num_heads=6)),
    ],
)  # fmt: skip
def test_targets_take_their_shape_from_the_converted_ancestor(ancestor, spec, tmp_path, images):
    spec = spec.replace(num_classes=2)
    cells = plan(tmp_path, images, ancestor).cells
    assert [cell.spec for cell in cells] == [spec.replace(depth=2), spec.replace(depth=4)]


def test_the_tag_of_the_weights_is_part_of_the_identity(tmp_path, images):
    ids = [
        ancestor_job(plan(tmp_path, images, f"{{model: {{timm: vit_small_patch16_224{tag}}}}}")).id
        for tag in ("", ".augreg_in21k_ft_in1k", ".augreg_in1k", ", pretrained: false")
    ]
    assert ids[0] == ids[1] and ids[0].startswith("vit_small_patch16_224.augreg_in21k_ft_in1k-colours-s0-")
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("short", "model", "more"),
    [
        ("timm: deit_tiny_patch16_224", "{timm: deit_tiny_patch16_224}", ""),
        ("timm: deit_tiny_patch16_224, pretrained: false", "{timm: deit_tiny_patch16_224, pretrained: false}", ""),
        ("timm: deit_tiny_patch16_224", "{timm: deit_tiny_patch16_224}", ", convert: {global_pool: avg}"),
        ("timm: vit_tiny_patch16_224, checkpoint: FILE", "{timm: vit_tiny_patch16_224, checkpoint: FILE}", ""),
    ],
)
def test_the_short_form_is_the_long_one(short, model, more, tmp_path, images, made_schema):
    deit = VitSpec(192, 12, 3, class_token=True, global_pool="token", num_classes=2)
    if "FILE" in short:
        saved(tmp_path / "weights.pth", deit)
    ids = []
    for text in (f"{{{short}{more}}}", f"{{model: {model}{more}}}", f"{{mine: {{{short}{more}}}}}"):
        text = text.replace("FILE", str(tmp_path / "weights.pth"))
        ids.append(list(plan(tmp_path, images, text).jobs))
        data = yaml.safe_load(path_of(tmp_path, images, text).read_text())
        assert wrong(data, made_schema, made_schema) == []
    assert ids[0] == ids[1] == ids[2]


@pytest.fixture(scope="module")
def made_schema():
    return schema()


def test_conversions_and_classes_are_part_of_the_identity(tmp_path, images):
    plain = "{model: {timm: deit_tiny_patch16_224}"
    endings = ["}", ", convert: {global_pool: avg}}", ", convert: {normalisation: fold}}", ", classes: same}"]
    assert len({ancestor_job(plan(tmp_path, images, plain + ending)).id for ending in endings}) == 4


def test_a_checkpoint_counts_by_its_content(tmp_path, images):
    ids = []
    for name, scale in (("a.safetensors", 1), ("b.safetensors", 1), ("c.safetensors", 2)):
        saved(tmp_path / name, TINY, scale=scale)
        job = ancestor_job(plan(tmp_path, images, f"{{model: {{num_heads: 2, checkpoint: {tmp_path / name}}}}}"))
        assert job.local["weights"] == str(tmp_path / name) and job.local["checkpoint"] == 30.0
        ids.append(job.id)
    assert ids[0] == ids[1] != ids[2]


TIMM = "{model: {timm: deit_tiny_patch16_224}"


@pytest.mark.parametrize(
    ("ancestor", "message"),
    [
        ("{model: {timm: deit_tinny_patch16_224}}", "model.timm: timm has no model 'deit_tinny_patch16_224'; did you"),
        ("{model: {timm: deit_tiny_patch16_224.x}}", "ancestor.model.timm: timm has no weights 'x'"),
        ("{model: {timm: levit_384_s8}}", "timm has no weights of levit_384_s8; expected another name, pre"),
        ("{model: {timm: deit_tiny_patch16_224, depth: 3}}", "ancestor.model.depth: timm says the size"),
        ("{model: {checkpoint: nowhere.pth}}", "ancestor.model.checkpoint: 'nowhere.pth' is no file"),
        ("{timm: deit_tinny_patch16_224}", "ancestor.timm: timm has no model 'deit_tinny_patch16_224'; did you"),
        ("{model: {checkpoint: FILE}, num_heads: 4}", "ancestor: model and num_heads are both there"),
        ("{timm: 3}", "ancestor.timm: expected a string, found 3"),
        ("{checkpoint: nowhere.pth}", "ancestor.checkpoint: 'nowhere.pth' is no file"),
        ("{big: {timm: x}}", "ancestor.big.timm: timm has no model 'x'"),
        ("{timm: deit_tiny_patch16_224, model: {depth: 3}}", "ancestor: model and timm are both there; expected one"),
        ("{model: {embed_dim: 64}, convert: {class_token: drop}}", "convert.class_token: nothing to convert"),
        ("{model: {embed_dim: 64}, classes: same}", "ancestor.classes: an ancestor that the suite trains"),
        (TIMM + ", convert: {class_token: gone}}", "convert.class_token: unknown value 'gone'"),
        (TIMM + ", convert: {token: drop}}", "convert.token: unknown key 'token'; did you mean 'class_token'?"),
        (TIMM + ", convert: {class_token: drop}}", "reads the class token; without it, convert also global_pool: avg"),
        (TIMM + ", convert: {layer_scale: fold}}", "convert.layer_scale: deit_tiny_patch16_224.fb_in1k does not scale"),
        ("{model: {timm: deit_base_patch16_384}}", "takes 384 pixels, the images have 224"),
        ("{model: {timm: deit_tiny_patch16_224}, classes: mine}", "ancestor.classes: unknown value 'mine'"),
        ("{model: {timm: deit3_small_patch16_224}}", "has no position, which a plain ViT's has"),
        ("{model: {timm: deit3_small_patch16_224}, " + CONVERT + "}", "needs convert: {layer_scale: fold}"),
        ("{model: {timm: levit_384}}", "starts from a plain ViT; the ancestor 'ancestor' is levit_384"),
        ("{model: {timm: levit_384}, convert: {global_pool: avg}}", "nothing to convert: levit_384.fb_dist_in1k is no"),
        ("{model: {checkpoint: FILE}, convert: {normalisation: fold}}", "a checkpoint does not say how its images"),
        ("{model: {checkpoint: FILE, global_pool: token}}", "global_pool 'token' needs class_token: true"),
        ("{model: {checkpoint: FILE}, convert: {global_pool: avg}}", "pools by average"),
        ("{model: {checkpoint: FILE}, convert: {class_token: drop}}", "has no class token"),
    ],
)  # fmt: skip
def test_one_message_with_the_line(ancestor, message, tmp_path, images, capsys):
    if "FILE" in ancestor:
        saved(tmp_path / "weights.safetensors", TINY)
    path = path_of(tmp_path, images, ancestor.replace("FILE", f"{tmp_path / 'weights.safetensors'}, num_heads: 2"))
    assert bench("plan", path) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and len(said.splitlines()) == 1
    line = 5 if "starts from" in message else 3
    assert said.startswith(f"error: {path}:{line}: ")


def test_grey_images(tmp_path, images, capsys):
    grey = ("--set", "dataset={name: digits}")
    assert bench("plan", path_of(tmp_path, images, TIMM + "}"), *grey) == 2
    assert "takes 3 channels, the images have 1; give the data set in_chans: 3" in capsys.readouterr().err


def test_a_teacher_beside_the_one_ancestor(tmp_path, images):
    """Methods take the only ViT; the teacher is made, evaluated, and needed by learngenes."""
    both = "{deit: {model: {timm: deit_tiny_patch16_224}}, levit: {model: {timm: levit_384}}}"
    made = plan(tmp_path, images, both, "teacher=levit", "methods={sws: {stages: 2}, random: {}}")
    ancestors = {job.settings["timm"]: job for job in made.jobs.values() if job.kind == "ancestor"}
    assert ancestors.keys() == {"deit_tiny_patch16_224.fb_in1k", "levit_384.fb_dist_in1k"}
    (gene,) = (job for job in made.jobs.values() if job.kind == "learngene" and "sws" in job.id)
    assert set(gene.needs) == {job.id for job in ancestors.values()}
    assert {cell.spec.class_token for cell in made.cells} == {True}


def test_a_plan_needs_neither_torch_nor_timm(tmp_path, images):
    both = "{deit: {model: {timm: deit_tiny_patch16_224}}, levit: {model: {timm: levit_384}}}"
    path = path_of(tmp_path, images, both)
    code = (
        "import sys; from bench.cli import main; "
        f"assert main(['plan', {str(path)!r}, '--set', 'teacher=levit']) == 0; "
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", ["weights.pth", "weights.safetensors"])
def test_the_size_of_a_checkpoint_is_read_from_it(form, tmp_path, images):
    """With its class token, by the one key that the message of the next test names."""
    file = saved(tmp_path / form, TOKEN.replace(embed_dim=128, depth=3, mlp_ratio=3.0))
    made = plan(tmp_path, images, f"{{checkpoint: {file}, num_heads: 4}}", "targets=[{depth: 2}]")
    assert [cell.spec for cell in made.cells] == [TOKEN.replace(embed_dim=128, depth=2, num_heads=4, mlp_ratio=3.0)]
    assert ancestor_job(made).settings["model"] == {
        "embed_dim": 128, "depth": 3, "num_heads": 4, "num_classes": 2, "mlp_ratio": 3.0, "class_token": True,
        "global_pool": "token",
    }  # fmt: skip


def refused(tmp_path, images, capsys, ancestor, *settings):
    """What plan says, and doctor too, of an ancestor that cannot be: nothing has started."""
    path = path_of(tmp_path, images, ancestor)
    said = []
    for command in ("plan", "doctor", "run"):
        assert bench(command, path, "--results", tmp_path / "results", *settings) == 2
        said.append(capsys.readouterr().err.strip())
    assert said[0] == said[1] == said[2] and len(said[0].splitlines()) == 1
    assert not (tmp_path / "results").exists()
    assert said[0].startswith(f"error: {path}:3: ancestor")
    return said[0]


@pytest.mark.parametrize(
    ("spec", "options", "ancestor", "message"),
    [
        (TOKEN.replace(embed_dim=128), {}, "{checkpoint: FILE}",
         "holds a ViT of width 128 with 2 layers, patches of 16 and a class token; how many heads it has cannot be "
         "read from it; expected num_heads: 2, if it has heads of 64"),
        (TINY, {}, "{model: {checkpoint: FILE, num_heads: 2, embed_dim: 32}}", "has embed_dim 24, the suite says 32"),
        (TINY, {}, "{model: {checkpoint: FILE, num_heads: 2, depth: 3}}", "has depth 2, the suite says 3"),
        (TINY, {}, "{model: {checkpoint: FILE, num_heads: 5}}", "embed_dim 24 is not divisible by num_heads 5"),
        (TOKEN, {}, "{model: {checkpoint: FILE, num_heads: 2, class_token: false}}",
         "has a class token, the suite says none; leave class_token out, or convert: {class_token: drop, global_pool"),
        (TOKEN, {}, "{model: {checkpoint: FILE, num_heads: 2}, convert: {class_token: drop}}", "convert also"),
        (TINY.replace(img_size=32), {}, "{model: {checkpoint: FILE, num_heads: 2}}",
         "takes 32 pixels, the images have 224; expected img_size: 32 of the data set, or convert: {positions: inter"),
        (TINY.replace(in_chans=1), {}, "{model: {checkpoint: FILE, num_heads: 2}}", "takes 1 channels, the images"),
        (TINY, {"init_values": 1.0}, "{model: {checkpoint: FILE, num_heads: 2}}", "needs convert: {layer_scale: fold}"),
        (TINY, {"qk_norm": True}, "{model: {checkpoint: FILE, num_heads: 2}}",
         "hold what a plain ViT has not: blocks.0.attn.k_norm"),
        (TOKEN, {"no_embed_class": True}, "{model: {checkpoint: FILE, num_heads: 2}}", "has no position"),
        (TINY.replace(num_classes=7), {}, "{model: {checkpoint: FILE, num_heads: 2}}",
         "has 7 classes, the data 2; expected train: {epochs: N} to train it on the data first, or classes: other for"),
        (TINY.replace(num_classes=7), {}, "{model: {checkpoint: FILE, num_heads: 2}, classes: same}",
         "classes: same, but the head of"),
        (TINY, {}, "{timm: vit_tiny_patch16_224, checkpoint: FILE}",
         "has embed_dim 24, vit_tiny_patch16_224.augreg_in21k_ft_in1k has 192"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_is_not_what_the_suite_says(spec, options, ancestor, message, tmp_path, images, capsys):
    file = saved(tmp_path / "weights.safetensors", spec, **options)
    assert message in refused(tmp_path, images, capsys, ancestor.replace("FILE", str(file)))


@pytest.mark.parametrize("key", ["classes: other", "train: {epochs: 1}"])
def test_a_head_of_other_classes_is_accepted_by_a_key(key, tmp_path, images):
    file = saved(tmp_path / "weights.safetensors", TINY.replace(num_classes=7))
    model = f"{{model: {{checkpoint: {file}, num_heads: 2}}, {key}}}"
    settings = ancestor_job(plan(tmp_path, images, model)).settings
    assert "same_classes" not in settings and settings["model"]["num_classes"] == 2


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"junk", "cannot be read as weights"),
        ({}, "holds no weights"),
        ({"conv1.weight": (64, 3, 7, 7), "fc.weight": (10, 512)}, "is no ViT as timm has it: expected tensors such as"),
        ({"patch_embed.proj.weight": (24, 3, 16, 16)}, "found patch_embed.proj.weight"),
    ],
)
def test_junk_and_other_architectures(name, content, message, tmp_path, images, capsys):
    import torch
    from safetensors.torch import save_file

    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        tensors = {key: torch.zeros(shape) for key, shape in content.items()}
        save_file(tensors, file) if name.endswith("safetensors") else torch.save(tensors, file)
    assert message in refused(tmp_path, images, capsys, f"{{checkpoint: {file}}}")


def test_the_header_of_a_checkpoint_needs_no_torch(tmp_path, images):
    file = saved(tmp_path / "weights.safetensors", TINY)
    path = path_of(tmp_path, images, f"{{model: {{checkpoint: {file}, num_heads: 2}}}}")
    code = f"import sys; from bench.cli import main; assert main(['plan', {str(path)!r}]) == 0; "
    done = subprocess.run(
        [sys.executable, "-c", code + "assert not {'torch', 'timm'} & set(sys.modules)"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
