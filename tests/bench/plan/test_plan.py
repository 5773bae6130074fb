"""Which jobs a suite makes."""

from collections import Counter

import pytest

from bench.errors import SuiteError, UsageError
from bench.jobs.model import KINDS
from tests.bench.plans import ALL, Planner, changed, ids
from tests.bench.tiny import SUITE


@pytest.fixture
def planned(tmp_path):
    return Planner(tmp_path)


def test_the_jobs_of_the_tiny_suite(planned):
    plan = planned()
    assert Counter(job.kind for job in plan.jobs.values()) == {"ancestor": 1, "learngene": 5, "start": 4, "run": 18}
    assert [job.kind for job in plan.jobs.values()] == sorted((j.kind for j in plan.jobs.values()), key=KINDS.index)
    made = set()
    for job in plan.jobs.values():
        assert set(job.needs) <= made, "what is needed comes first"
        made.add(job.id)
    skipped = [cell for cell in plan.cells if cell.skipped]
    assert {(c.method.label, c.spec.depth) for c in skipped} == {("weight_selection", 3)} and len(skipped) == 2
    assert all(c.run not in plan.jobs for c in skipped)
    assert len({c.run for c in plan.cells}) == len(plan.cells)


def test_identities_are_readable_and_of_one_line(planned):
    names = {cell.run.rpartition("-")[0] for cell in planned().cells}
    assert {"wave-L1-d16-digits-s0", "sws-L3-d16-digits-s1"} < names
    assert {id.rpartition("-")[0] for id in ids(planned(), "learngene")} == {f"{m}-digits-s0" for m in ALL}
    assert {id.rpartition("-")[0] for id in ids(planned(), "ancestor")} == {"L2-d16-digits-s0"}


def test_replicate_run_shares_one_learngene(planned):
    plan = planned()
    assert {c.learngene for c in plan.cells if c.method.label == "sws"} == ids(plan, "learngene") & {
        c.learngene for c in plan.cells if c.method.label == "sws" and c.seed == 0
    }
    assert all(job.settings["seed"] == 0 for job in plan.jobs.values() if job.kind in ("ancestor", "learngene"))
    assert {job.settings["seed"] for job in plan.jobs.values() if job.kind in ("start", "run")} == {0, 1}


def test_replicate_all_makes_everything_anew_per_seed(planned):
    plan, once = planned("replicate=all"), planned()
    counts = Counter(job.kind for job in plan.jobs.values())
    assert counts == {"ancestor": 2, "learngene": 10, "start": 4, "run": 18}
    for cell in plan.cells:
        for id in (*cell.ancestors, *([cell.learngene] if cell.learngene else [])):
            assert plan.jobs[id].settings["seed"] == cell.seed
    first = {job.id for job in plan.jobs.values() if job.settings["seed"] == 0}
    assert first <= ids(once), "seed 0 is the one that there was"


def test_suites_share_work(planned):
    other = SUITE.replace("name: tiny", "name: other").replace("depth: [1, 3]", "depth: [3, 5]")
    one, two = planned(), planned(text=other)
    shared = ids(one) & ids(two)
    assert {one.jobs[id].kind for id in shared} == {"ancestor", "learngene", "start", "run"}
    runs = {id.rsplit("-", 2)[0] for id in shared if one.jobs[id].kind == "run"}
    assert runs == {f"{m}-L3-d16-digits" for m in ("random", "sws", "wave")}  # mixture_growth's seed is half as deep


def test_several_labels_of_one_method_share_what_they_can(planned):
    plan = planned("methods={a: {use: wave, template_size: 8}, b: {use: wave, template_size: 8, scaler_steps: 9}}")
    a, b = ({c.learngene for c in plan.cells if c.method.label == label} for label in "ab")
    assert a == b and len(a) == 1
    assert len(ids(plan, "start")) == len(ids(plan, "run")) == 8


def test_equal_labels_are_an_error(planned):
    with pytest.raises(SuiteError, match="labels 'random' and 'again' describe the same run random-L1-d16-digits-s1"):
        planned("methods.again={use: random, seeds: [1, 0]}")
    with pytest.raises(SuiteError, match="targets.0: the target L1-d16 is listed twice"):
        planned("targets.0.depth=[1, 3, 1]")
    assert planned("methods.again={use: random, seeds: [5]}")


TWO_ANCESTORS = SUITE.replace(
    """ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 216, augment: {shift: 1}}
""",
    """ancestor:
  small: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1}}
  large: {model: {embed_dim: 16, depth: 4, num_heads: 2, patch_size: 4}, train: {epochs: 1}}
""",
)


def test_which_of_several_ancestors(planned):
    text = TWO_ANCESTORS.replace(
        "depth: [1, 3]}", "depth: 1, ancestor: small}\n  - {embed_dim: 16, depth: 3, ancestor: large}"
    )
    plan = planned(text=text)
    depths = {
        (c.method.label, c.spec.depth): [plan.jobs[a].settings["model"]["depth"] for a in c.ancestors]
        for c in plan.cells
        if c.seed == 0
    }
    assert (
        depths["sws", 1] == [2] and depths["sws", 3] == [4] and depths["random", 1] == depths["mixture_growth", 3] == []
    )
    own = planned("methods.sws.ancestor=large", text=text)
    assert all(own.jobs[c.ancestors[0]].settings["model"]["depth"] == 4 for c in own.cells if c.method.label == "sws")
    assert {m for _, m in changed(plan, own)} == {"sws"}
    named = planned(
        text=SUITE.replace("ancestor:\n  model", "ancestor:\n  it:\n   model").replace(
            "\n  train: {epochs: 1", "\n   train: {epochs: 1"
        )
    )
    assert ids(named) == ids(planned()), "the names of ancestors are no part of identities"


def test_no_ancestor_says_which(planned):
    with pytest.raises(SuiteError, match=r"targets\.0.*patch_size|takes one ancestor; say which"):
        planned(text=TWO_ANCESTORS)


def test_a_teacher_of_its_own(planned):
    plan = planned(
        "teacher=large",
        "methods.sws.ancestor=small",
        "methods={sws: {stages: 2, ancestor: small}}",
        text=TWO_ANCESTORS.replace("2, depth: [1, 3]", "2, patch_size: 4, depth: [1, 3]"),
    )
    (gene,) = (job for job in plan.jobs.values() if job.kind == "learngene")
    teacher = plan.jobs[gene.settings["teacher"]]
    assert teacher.settings["model"]["depth"] == 4 and teacher.id in gene.needs
    assert plan.jobs[gene.settings["ancestors"][0]].settings["model"]["depth"] == 2


def test_several_data_sets(planned):
    plan = planned("dataset=[digits, {name: half, base: digits, mean: [0.5]}]")
    assert len(plan.cells) == 2 * 20 and {c.data.name for c in plan.cells} == {"digits", "half"}
    assert ids(planned()) < ids(plan)
    assert len(ids(plan, "ancestor")) == 2
    one = planned("dataset=[digits, {name: half, base: digits, mean: [0.5]}]", "ancestor.dataset=digits")
    assert len(ids(one, "ancestor")) == 1 and ids(planned(), "ancestor") == ids(one, "ancestor")
    assert len([id for id in ids(one, "learngene") if id.startswith("sws")]) == 1, "condensed on the ancestor's data"
    assert len([id for id in ids(one, "learngene") if id.startswith("mixture_growth")]) == 2


def test_an_ancestor_on_another_set_of_the_same_name(planned):
    plan = planned("ancestor.dataset={name: digits, mean: [0.5]}")
    (ancestor,) = (job for job in plan.jobs.values() if job.kind == "ancestor")
    runs = [job for job in plan.jobs.values() if job.kind == "run"]
    assert ancestor.settings["data"]["mean"] == ancestor.local["data"]["mean"] == [0.5]
    assert all(job.settings["data"]["mean"] == job.local["data"]["mean"] != [0.5] for job in runs)


def test_only(planned):
    plan = planned(only=["sws-L1-*-s1", "random-*-s0"])
    assert {c.name for c in plan.cells} == {
        "sws-L1-d16-digits-s1",
        "random-L1-d16-digits-s0",
        "random-L3-d16-digits-s0",
    }
    assert Counter(job.kind for job in plan.jobs.values()) == {"ancestor": 1, "learngene": 2, "run": 3}
    assert ids(plan) < ids(planned())
    assert len(planned(only=["*-s0"]).cells) == 10
    (cell,) = (c for c in planned().cells if c.name == "wave-L3-d16-digits-s1")
    assert [c.name for c in planned(only=[cell.run]).cells] == [cell.name]
    more = planned("methods.tab={use: random, scheme: jax}", only=["random-*"])
    assert {c.method.label for c in more.cells} == {"random"}, "the label counts, not what it uses"
    with pytest.raises(UsageError, match="matches none of 20 runs"):
        planned(only=["wavee*"])


def test_a_batch_of_more_images_than_there_are_is_said_where_it_is_given(planned):
    plan = planned("train.batch_size=1077", "methods.sws.train.batch_size=1500", "methods.random.runs.batch_size=1078")
    first, second = sorted(plan.warnings)
    assert "methods.random.runs.batch_size: 1,078 is more than the 1,077 training images of digits" in first
    assert "methods.sws.train.batch_size: 1,500 is more than" in second
    assert not planned("methods.sws.train.batch_size=1500", "methods.sws.train.epochs=0").warnings
    with pytest.raises(SuiteError, match="methods.sws.train.recipe: crop, .* not for digits"):
        planned("methods.sws.train.recipe=deit")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["train.steps=9", "methods.random.runs.epochs=2"], "methods.random.runs.epochs: does nothing beside steps: 9"),
        (["train.steps=9", "train.epochs=2"], "train.epochs: does nothing beside steps: 9"),
        (["train.warmup_steps=2", "methods.random.runs.warmup_epochs=1"], "warmup_epochs: does nothing beside warmup_"),
        (["train.steps=9", "train.warmup_steps=9"], "train.warmup_steps: 9 steps of warm-up leave none of the 9 steps"),
        (["train.epochs=2", "train.warmup_epochs=2"], "train.warmup_epochs: 2 steps of warm-up leave none of the 2 "),
        (["train.steps=9", "train.looks=[3,9,20]"], "train.looks: looks that will not come: 20, as training on digits"),
        (["train.epochs=2", "train.looks=[3]"], "train.looks: looks that will not come: 3, as training on digits"),
    ],
)
def test_what_a_recipe_says_in_vain_is_said_where_it_is_given(settings, says, planned):
    assert any(says in warning for warning in planned("train.batch_size=1000", *settings).warnings)


def test_what_a_recipe_does_not_say_in_vain(planned):
    """`steps` of a label over `epochs` of the suite, a warm-up and looks that end, a run that trains nothing."""
    label = [f"methods.random.runs.{more}" for more in ("steps=9", "warmup_steps=8", "looks=[1,9]")]
    assert not planned("train.epochs=3", *label).warnings
    assert not planned("train.epochs=0", "train.warmup_epochs=2").warnings
    assert not planned("train.steps=9").warnings, "the file says epochs, and was meant to be overruled"
