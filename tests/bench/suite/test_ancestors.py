"""Ancestors from elsewhere in a plan: their size, their identity, and what is wrong with them, without torch."""

import subprocess
import sys

import pytest
import yaml

from bench.plan import make_plan
from bench.suite import load
from bench.suite.json_schema import schema
from methods.vit import VitSpec
from tests.bench.jpegs import write_images
from tests.bench.suite.test_suite_schema import wrong
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
        ("checkpoint: FILE", "{checkpoint: FILE}", ", classes: same"),
        ("timm: vit_tiny_patch16_224, checkpoint: FILE", "{timm: vit_tiny_patch16_224, checkpoint: FILE}", ""),
    ],
)
def test_the_short_form_is_the_long_one(short, model, more, tmp_path, images, made_schema):
    (tmp_path / "weights.pth").write_bytes(b"x")
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
    for name, content in (("a.pth", b"1"), ("b.pth", b"1"), ("c.pth", b"2")):
        (tmp_path / name).write_bytes(content)
        job = ancestor_job(plan(tmp_path, images, f"{{model: {{embed_dim: 192, checkpoint: {tmp_path / name}}}}}"))
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
    (tmp_path / "weights.pth").write_bytes(b"x")
    path = path_of(tmp_path, images, ancestor.replace("FILE", str(tmp_path / "weights.pth")))
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
