"""Every suite: what its header states, that it plans with data and says what is missing without, and that it runs,
on small stand-ins with the real folder layout, from the command line to the table."""

import csv
import json
import re

import pytest
import timm
import torch

import methods
from bench.commands import common
from bench.commands.plan import GPU_PACE
from bench.data import describe
from bench.plan import make_plan
from bench.suite import load
from tests.bench.tiny import bench
from tests.suites.hours_of_suites import gpu_hours, loaded_hours, real_size, works
from tests.suites.small_suites import DATA, NAMES, SUITES, settings, small


def options(values, data):
    return [word for setting in settings(values, data) for word in ("--set", setting)]


def plan_of(name, data):
    return make_plan(load(SUITES / f"{name}.yaml", settings(DATA[name], data)))


def test_every_suite_for_images_is_tested():
    built_in = ("digits", "atlas")
    assert {path.stem for path in SUITES.glob("*.yaml") if not path.stem.startswith(built_in)} == set(NAMES)


def test_every_method_has_a_line_in_a_suite_of_the_atlas():
    used = {cell.method.use for path in SUITES.glob("atlas_*.yaml") for cell in make_plan(load(path)).cells}
    assert used == set(methods.names())


@pytest.mark.parametrize("name", NAMES)
def test_it_plans_where_the_data_is(name, roots, capsys):
    assert bench("plan", SUITES / f"{name}.yaml", *options(DATA[name], roots)) == 0
    assert f"{name}: " in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", [True, False])
def test_without_data_it_says_what_was_expected(name, given, monkeypatch, tmp_path, capsys):
    for variable in ("IMAGENET", "BENCH_DATA"):
        monkeypatch.setenv(variable, str(tmp_path)) if given else monkeypatch.delenv(variable, raising=False)
    path = SUITES / f"{name}.yaml"
    assert bench("plan", path) == 2
    problems = [line for line in capsys.readouterr().err.splitlines() if str(path) in line]
    assert problems and all("dataset" in line for line in problems)
    for line in problems:
        folders = "train/" in line and ("val/" in line or "test/" in line)
        assert folders or re.search(r"torchvision can fetch it: \{name: \w+, download: true\}", line)
        assert given or "is not set" in line


@pytest.mark.parametrize("name", NAMES)
def test_hours_are_those_of_the_closed_forms(name, roots):
    """Every part that costs is stated, to 5%."""
    header = (SUITES / f"{name}.yaml").read_text().split("\nname:")[0]
    rate = float(re.search(r"GPU-hours on .* at (\d+) TFLOP/s", header)[1]) * 1e12
    stated = {part: float(hours) for part, hours in re.findall(r"^#   ([a-z]+) +([\d.]+)  ", header, re.M)}
    plan = plan_of(name, roots)
    assert stated == pytest.approx(gpu_hours(plan, rate), rel=0.05, abs=0.01)
    for pattern, hours in re.findall(r"--only '(\S+)' .*: (\d+) GPU-hours", header):
        part = make_plan(plan.suite, [pattern])
        assert float(hours) == pytest.approx(sum(gpu_hours(part, rate).values()), rel=0.05)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("imagenet")])
def test_the_price_of_each_label_is_stated(name, roots):
    header, plan = (SUITES / f"{name}.yaml").read_text().split("\nname:")[0], plan_of(name, roots)
    rate = float(re.search(r"GPU-hours on .* at (\d+) TFLOP/s", header)[1]) * 1e12
    stated = dict(re.findall(r"(\w+) ([\d.]+)", re.search(r"# By label: ([^;]+?)[.;]\s", header)[1]))
    assert list(stated) == [method.label for method in plan.suite.methods]
    for label, hours in stated.items():
        cost = sum(gpu_hours(make_plan(plan.suite, [f"{label}-*"]), rate).values())
        assert float(hours) == pytest.approx(cost, rel=0.05), label


def header_of_a_day():
    return (SUITES / "imagenet_day.yaml").read_text().split("\nname:")[0].replace("\n# ", " ")


def images_a_second(cores):
    """What so many cores load, by the time that the header says an image takes."""
    (milliseconds,) = re.findall(r"an image takes ([\d.]+) ms of CPU", header_of_a_day())
    return 1000 * cores / float(milliseconds)


def test_a_day_is_enough_for_the_suite_of_a_day_where_images_are_loaded_fast(roots):
    plan = plan_of("imagenet_day", roots)
    assert sum(gpu_hours(plan, GPU_PACE).values()) < 24 and len({cell.target for cell in plan.cells}) == 3
    stated = re.findall(r"with (\d+) cores (\d+\.\d)", header_of_a_day())
    hours = {int(cores): loaded_hours(plan, GPU_PACE, images_a_second(int(cores))) for cores, _ in stated}
    assert len(stated) == 3
    assert {int(cores): float(total) for cores, total in stated} == pytest.approx(hours, abs=0.06)
    (enough,) = re.findall(r"a day of one GPU beside (\d+) cores", header_of_a_day())
    assert hours[int(enough)] < 24 < hours[16]


def test_a_day_is_enough_for_fewer_seeds_where_they_are_not(roots):
    ((cores, change, stated),) = re.findall(
        r"With (\d+) cores a day is enough for four seeds \(--set (\S+)\): (\d+\.\d)", header_of_a_day()
    )
    fewer = make_plan(load(SUITES / "imagenet_day.yaml", [*settings(DATA["imagenet_day"], roots), change]))
    hours = loaded_hours(fewer, GPU_PACE, images_a_second(int(cores)))
    assert {cell.seed for cell in fewer.cells} == {0, 1, 2, 3} and hours == pytest.approx(float(stated), abs=0.06)
    assert hours < 24


def test_images_that_come_at_once_cost_nothing_and_late_ones_all(roots):
    plan = plan_of("imagenet_day", roots)
    computed = sum(gpu_hours(plan, GPU_PACE).values())
    assert loaded_hours(plan, GPU_PACE, 1e9) == pytest.approx(computed)
    images = sum(work.images for _, work in works(plan))
    assert loaded_hours(plan, GPU_PACE, 1.0) == pytest.approx(images / 3600)


@pytest.mark.parametrize("name", ["imagenet_day", "imagenet_variable_depth", "imagenet_variable_width", "transfer"])
def test_plan_tells_hours_of_a_gpu_at_the_rate_of_the_header(name, roots, monkeypatch, capsys):
    """With as many images as the data sets have; no more than the header's, which count teachers and evaluation."""
    monkeypatch.setattr(common, "describe", lambda data, **how: real_size(describe(data, **how)))
    assert bench("plan", SUITES / f"{name}.yaml", *options(DATA[name], roots)) == 0
    ((hours, teraflops),) = re.findall(r"about ([\d.]+) h of one GPU at (\d+) TFLOP a second", capsys.readouterr().out)
    header = (SUITES / f"{name}.yaml").read_text().split("\nname:")[0]
    assert f"at {teraflops} TFLOP/s" in header and int(teraflops) * 1e12 == GPU_PACE
    whole = sum(gpu_hours(plan_of(name, roots), GPU_PACE).values())
    assert 0.5 * whole < float(hours) < whole
    if name == "imagenet_day":
        assert re.findall(r"`bench plan` says ([\d.]+) in all", header) == [hours] and 0.9 * whole < float(hours) < 24


def test_transfer_takes_the_learngenes_of_the_first_suite(roots):
    first, second = (plan_of(name, roots) for name in ("imagenet_variable_depth", "transfer"))
    made = {job.id for job in first.jobs.values() if job.kind == "learngene"}
    taken = {cell.learngene for cell in second.cells if cell.method.label in ("weight_selection", "sws", "wave")}
    assert len(taken) == 9 and taken < made


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A ViT and another classifier of timm, as files: nothing is fetched."""
    files = {}
    for name in ("test_vit", "test_resnet"):
        torch.manual_seed(0)
        files[name] = tmp_path_factory.mktemp("weights") / f"{name}.pth"
        torch.save(timm.create_model(name, num_classes=3).state_dict(), files[name])
    return files


RUNS = {
    "imagenet_day": 6 * 2,
    "imagenet_variable_depth": 7 * 4,
    "imagenet_variable_width": 6 * 2,
    "cifar100_variable_depth": 5 * 2,
    "mixture_growth_cifar100": 6,
    "weight_selection_cifar100": 4,
    "transfer": 5 * 7,
}
SKIPPED = {  # (method, width)
    "imagenet_variable_depth": [("sws_base", "64"), ("sws_base", "64"), ("sws_base", "32")],
    "imagenet_variable_width": [("sws", "32")],
}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_end_to_end(name, roots, weights, tmp_path, capsys):
    where = ("--launcher", "inline", "--results", tmp_path)
    code = bench("run", SUITES / f"{name}.yaml", *options(small(name, weights), roots), *where)
    assert code == 0, capsys.readouterr().out
    with (tmp_path / name / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == RUNS[name]
    skipped = [(row["method"], row["embed_dim"]) for row in rows if row["status"] == "skipped"]
    assert skipped == SKIPPED.get(name, [])
    for row in rows:
        if row["status"] != "skipped":
            assert row["status"] == "done", row["reason"]
            assert 0 <= float(row["top1"]) <= 100 and float(row["epochs"]) == 1 and int(row["train_images"]) > 0
    taught = {row["needs"] for row in rows if row["method"] == "wave" and row["status"] == "done"}
    assert taught <= {"ancestor+images+labels+teacher"}
    ancestors = [json.loads(path.read_text()) for path in tmp_path.glob("jobs/ancestor/*/result.json")]
    teachers = [found["timm_model"] for found in ancestors if "timm_model" in found]
    assert teachers == (["test_resnet"] if "levit" in (SUITES / f"{name}.yaml").read_text() else [])
    converted = [found for found in ancestors if "head" in found and "spec" in found]
    assert len(converted) == (0 if name in ("cifar100_variable_depth", "mixture_growth_cifar100") else 1)
    assert all(found["spec"]["class_token"] == (name == "weight_selection_cifar100") for found in converted)
