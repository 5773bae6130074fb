"""A label that names a ready learngene: checked with the suite, known by its content, never condensed."""

import json
import shutil

import pytest
import torch

from bench.errors import SuiteError
from bench.jobs import Job, description_of
from methods import Learngene
from tests.bench.plans import Planner, ids
from tests.bench.tiny import bench, rows, write

READY = """
name: ready
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, patch_size: 4, depth: [1, 2]}]
methods: {halves: {use: weight_selection, head: transfer, learngene: FILE}}
train: {epochs: 0}
"""


@pytest.fixture
def planned(tmp_path):
    return Planner(tmp_path)


@pytest.fixture
def gene(tmp_path):
    """The file of a learngene that weight_selection takes, made without the harness."""
    import methods
    from methods.vit import VitSpec, build_vit

    torch.manual_seed(3)
    spec = VitSpec(embed_dim=16, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
    methods.get("weight_selection").condense(build_vit(spec), None).save(tmp_path / "gene.safetensors")
    return tmp_path / "gene.safetensors"


def test_it_is_known_by_its_content(gene, planned):
    text = READY.replace("FILE", "gene.safetensors")
    plan = planned(text=text)
    (learngene,) = (job for job in plan.jobs.values() if job.kind == "learngene")
    assert not learngene.needs and {job.kind for job in plan.jobs.values()} == {"learngene", "run"}
    shutil.copy(gene, gene.with_name("other.safetensors"))
    assert ids(planned(text=READY.replace("FILE", "other.safetensors"))) == ids(plan)
    Learngene(Learngene.load(gene).tensors, {"another": 1}).save(gene)
    assert not ids(planned(text=text)) & ids(plan), "the learngene and all runs are others"
    read = description_of(Job.from_json(learngene.to_json()))
    assert read.job() == learngene and read.training is None and read.flops == 1.0


def test_an_ancestor_that_is_there_is_not_paid_for(gene, planned):
    ancestor = "ancestor: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}}\n"
    text = READY.replace("FILE", "gene.safetensors")
    assert ids(planned(text=ancestor + text)) == ids(planned(text=text))
    (cell,) = planned(text=ancestor + text.replace("[1, 2]", "3")).cells
    assert cell.skipped == "cannot grow depth: ancestor 2, target 3", "what it says of sizes counts"


def test_runs_start_from_it(gene, tmp_path):
    suite = write(tmp_path, READY.replace("FILE", str(gene)))
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r", "--set", "keep_weights=start") == 0
    table = {row["depth"]: row for row in rows(tmp_path / "r", "ready")}
    given = Learngene.load(gene)
    for row in table.values():
        assert row["learngene_flops"] == "" and int(row["stored_params"]) == given.stored_params
        start = tmp_path / "r" / "jobs" / "run" / row["run"] / "start.safetensors"
        from safetensors.torch import load_file

        assert load_file(start)["blocks.0.mlp.fc1.weight"].equal(given.tensors["blocks.0.mlp.fc1.weight"])
    result = json.loads(next((tmp_path / "r" / "jobs" / "learngene").glob("*/result.json")).read_text())
    assert result["stored_params"] == given.stored_params and result["needs"] == []


def test_a_file_that_changed_since_it_was_planned_fails_its_job(gene, planned, tmp_path):
    plan = planned(text=READY.replace("FILE", "gene.safetensors"))
    (learngene,) = (plan.description(job.id) for job in plan.jobs.values() if job.kind == "learngene")
    assert learngene.taken().stored_params == Learngene.load(gene).stored_params
    Learngene({}, {"another": 1}).save(gene)
    with pytest.raises(ValueError, match="has changed since this job was planned"):
        learngene.taken()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nowhere.safetensors", "methods.halves.learngene: 'nowhere.safetensors' is no file; expected a learngene"),
        ("tiny.yaml", "tiny.yaml cannot be read as a learngene"),
        ("plain.safetensors", "plain.safetensors holds weights, but is no learngene"),
        ("gene.safetensors, train: {epochs: 1}", "methods.halves.train: weight_selection trains nothing itself"),
        ("gene.safetensors, condense_on: digits", "methods.halves.condense_on: nothing is condensed here"),
    ],
)
def test_what_is_no_learngene_is_told_before_anything_starts(written, message, gene, planned, tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(SuiteError, match=message):
        planned(text=READY.replace("FILE", written))
