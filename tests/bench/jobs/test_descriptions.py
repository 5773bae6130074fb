"""Jobs as typed descriptions: written and read back, what they cost, and that none of it needs torch."""

import subprocess
import sys

import pytest

from bench import models
from bench.jobs import KINDS, STATES, Job, description_of, estimated_flops
from bench.jobs.ancestor import AncestorJob
from bench.jobs.kinds import DESCRIPTIONS
from bench.jobs.learngene import LearngeneJob
from bench.jobs.run import RunJob
from bench.jobs.start import StartJob
from bench.recipes.recipe import Recipe
from tests.bench.plans import Planner

IMAGES = 1077  # of digits, to train on
TUNE = "tune={lr: [1.0e-4, 1.0e-3]}"


@pytest.fixture
def planned(tmp_path):
    return Planner(tmp_path)


def jobs_of(plan, kind, method=""):
    return [job for job in plan.jobs.values() if job.kind == kind and job.id.startswith(method)]


VARIANTS = [
    [],
    [TUNE],
    ["budget=total", "replicate=all"],
    ["train.distill={kl: 0.5}", TUNE],
    ["keep_weights=both", "threads=2", "device=cpu", "checkpoint.seconds=7", "gpus_per_run=2"],
    ["train.steps=7", "train.betas=[0.9, 0.99]"],
    ["methods.sws.train={steps: 5, augment: {shift: 2}}", "ancestor.train.lr=0.5"],
]


@pytest.mark.parametrize("settings", VARIANTS, ids=" ".join)
def test_a_description_reads_back_what_it_wrote(settings, planned):
    jobs = planned(*settings).jobs
    assert {job.kind for job in jobs.values()} >= {"ancestor", "run"}
    for id, job in jobs.items():
        assert job.id == id and description_of(job).job() == job
        sent = Job.from_json(job.to_json())
        assert sent.to_json() == job.to_json() and description_of(sent).job().id == id


def test_each_kind_has_its_class(planned):
    known = {"ancestor": AncestorJob, "learngene": LearngeneJob, "start": StartJob, "run": RunJob}
    assert list(DESCRIPTIONS) == list(KINDS) and known.items() <= DESCRIPTIONS.items()
    assert len(set(DESCRIPTIONS.values())) == len(KINDS)
    for job in planned().jobs.values():
        assert description_of(job).kind == job.kind
    assert len(set(STATES)) == len(STATES) == 7


def test_attributes_are_those_of_the_suite(planned):
    plan = planned("budget=total", TUNE)
    runs = {c.run: c for c in plan.cells if not c.skipped}
    for id, cell in runs.items():
        run = description_of(plan.jobs[id])
        assert (run.target, run.seed, run.start, run.paid_learngene) == (
            cell.spec, cell.seed, cell.start, cell.learngene,
        )  # fmt: skip
        assert run.learngene == (None if cell.start else cell.learngene) and run.recipe == cell.recipe
        assert list(run.candidates) == ["0.0001", "0.001"] and run.part is None
        tried = {trial for trials in run.candidates.values() for trial in trials}
        assert {trial for trial in cell.trials if plan.jobs[trial].kind == "run"} <= tried
    (ancestor,) = (description_of(job) for job in jobs_of(plan, "ancestor"))
    gene = description_of(jobs_of(plan, "learngene", "sws")[0])
    assert gene.models_used == (*gene.ancestors, gene.teacher) and gene.recipe == ancestor.recipe
    assert gene.targets == gene.served and gene.spec.depth == 3, "the deepest"


def test_the_estimate_is_the_closed_form(planned):
    plan = planned("train.epochs=3", "methods.wave.train={epochs: 40, batch_size: 32}")
    (ancestor,) = jobs_of(plan, "ancestor")
    assert estimated_flops(ancestor) == 1 * IMAGES * models.train_flops(description_of(ancestor).model)
    for run in jobs_of(plan, "run"):
        assert estimated_flops(run) == 3 * IMAGES * models.train_flops(description_of(run).target)
    for start in jobs_of(plan, "start"):
        steps = 5 * 32 * models.train_flops(description_of(start).target)
        assert estimated_flops(start) == steps, "the method says scaler_steps: 5, its recipe 40 epochs"
    (gene,) = jobs_of(plan, "learngene", "wave")
    assert estimated_flops(gene) == 40 * IMAGES * models.train_flops(description_of(gene).spec)
    assert [estimated_flops(job) for job in jobs_of(plan, "learngene", "random")] == [1.0], "it trains nothing"


def test_the_estimate_takes_what_is_not_said_from_the_recipe(planned):
    steps = planned("train={steps: 5}", "ancestor.train={}")
    (run, *_), (ancestor,) = jobs_of(steps, "run"), jobs_of(steps, "ancestor")
    batch, epochs = Recipe().batch_size, Recipe().epochs
    assert estimated_flops(run) == 5 * batch * models.train_flops(description_of(run).target)
    assert description_of(ancestor).recipe == Recipe()
    assert estimated_flops(ancestor) == epochs * IMAGES * models.train_flops(description_of(ancestor).model)


def test_descriptions_need_no_torch(tmp_path):
    text = "import sys, bench.jobs, bench.plan; assert not {'torch', 'timm'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", text], check=True)
