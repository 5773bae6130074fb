"""`plan`, `status` and `methods` as a user reads them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import methods
from bench.commands.clean import amount
from bench.commands.methods import serves
from bench.commands.plan import duration
from bench.store import JobDir
from bench.suite.yaml_lines import dump, parse
from tests.bench.tiny import SUITE, bench, said, write


def table(text, first):
    """The row of a table that starts with a word."""
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def states(text, kind):
    """How many jobs of a kind `status` counts: all, and in each state that there are any in."""
    numbers = dict(zip(table(text, "all"), table(text, kind)[1:], strict=True))
    return {name: int(number) for name, number in numbers.items() if number != "-"}


def test_plan_of_nothing_done(tmp_path, capsys):
    text = said(capsys, "plan", write(tmp_path), "--results", tmp_path / "r")
    assert text.startswith("tiny: 20 runs, 28 jobs; results in ")
    assert table(text, "L3-d16")[1:] == ["digits", "10,378", "39,584"]
    assert table(text, "wave") == ["wave", "4", "0", "4", "0", "2", "epochs"]
    assert table(text, "weight_selection")[1:5] == ["4", "0", "2", "2"]
    assert table(text, "run")[1:4] == ["18", "0", "18"] and table(text, "start")[1:4] == ["4", "0", "4"]
    assert "skipped: weight_selection L3-d16 (2 runs): cannot grow depth: ancestor 2, target 3" in text
    (of_all,) = re.findall(r"^in all (\S+) FLOPs: about (\S+) s of one core at 30 GFLOP a second", text, re.M)
    assert of_all == ("7.4e+09", "0") and "--probe" in text
    assert not (tmp_path / "r").exists()


def test_plan_of_what_is_done(tiny_results, tmp_path, capsys):
    text = said(capsys, "plan", write(tmp_path), "--results", tiny_results)
    assert table(text, "run")[1:4] == ["18", "18", "0"] and "all done: bench run would train nothing" in text
    text = said(capsys, "plan", write(tmp_path), "--results", tiny_results, "--set", "train.epochs=4", "--all")
    assert table(text, "run")[1:4] == ["18", "0", "18"] and table(text, "learngene")[1:4] == ["5", "5", "0"]
    assert " on one worker, at the speed of the jobs that are done" in text and "of one core" not in text
    assert sum(line.startswith("to do  run ") for line in text.splitlines()) == 18
    assert sum(line.startswith("done   ") for line in text.splitlines()) == 10


def test_what_trains_nothing_tells_no_speed(tmp_path, capsys):
    path, results = write(tmp_path), ("--results", tmp_path / "r")
    evaluated = ("--set", "train.epochs=0", "--only", "random-L1-*-s0")
    assert bench("run", path, *evaluated, "--launcher", "inline", *results) == 0
    text = said(capsys, "plan", path, *results)
    assert table(text, "learngene")[1:4] == ["5", "1", "4"] and "at the speed of" not in text


def test_status_of_what_is_done(tiny_results, tmp_path, capsys):
    text = said(capsys, "status", write(tmp_path), "--results", tiny_results)
    assert states(text, "run") == {"all": 20, "done": 18, "skipped": 2}
    assert states(text, "ancestor") == {"all": 1, "done": 1} and "failed:" not in text


def test_status_ends_with_the_size_of_its_jobs(tiny_results, tmp_path, capsys):
    text = said(capsys, "status", write(tmp_path), "--results", tiny_results)
    size = sum(path.stat().st_size for path in (tiny_results / "jobs").rglob("*") if path.is_file())
    last = f"size: {amount(size)} in the folders of these jobs; bench clean tells what can go"
    assert text.splitlines()[-1] == last


def test_status_of_what_runs(tiny_results, tmp_path, capsys):
    """By the lock that this process holds: where it is, and its loss, once that is known."""
    (path,) = tiny_results.glob("jobs/run/random-L1-d16-digits-s0-*/result.json")
    path.unlink()
    lock = JobDir(path.parent).lock()
    assert lock.acquire()
    for note, ends in (
        ({"fit": "run", "step": 3, "total": 32, "loss": None}, "step 3 of 32"),
        ({"fit": "run", "step": 16, "total": 32, "loss": 2.123456}, "step 16 of 32, training loss 2.123"),
    ):
        lock.update(**note)
        lock.write_note()
        (line,) = (
            line
            for line in said(capsys, "status", write(tmp_path), "--results", tiny_results).splitlines()
            if line.startswith("running: ")
        )
        assert line.startswith(f"running: run {path.parent.name} on ") and line.endswith(f"), {ends}")
    lock.release()


def test_logs_show_the_training(tiny_results, capsys):
    text = said(capsys, "logs", "random-L1-*-s0", "--results", tiny_results)
    lines = [line.split(" ", 3) for line in text.splitlines() if " train " in line]
    assert [line[2] for line in lines] == ["train"] * 2
    for epoch, (*_, values) in enumerate(lines, start=1):
        assert values.startswith(f"fit=run epoch={epoch}.0 step={4 * epoch} images={864 * epoch} loss=")
        assert "lr=" in values and "images_per_second=" in values


@pytest.fixture
def ran(tmp_path, capsys):
    """A suite that was run with changes, on two of its runs."""
    path = write(tmp_path)
    changes = ("--set", "train.epochs=0", "--set", "methods.tab={use: random, scheme: jax}")
    only = ("--only", "random-L1-*", "--only", "tab-L1-*-s0")
    assert bench("run", path, *changes, *only, "--launcher", "inline", "--results", tmp_path / "r") == 0
    capsys.readouterr()
    return path


def test_status_describes_the_last_run(ran, capsys):
    text = said(capsys, "status", ran, "--results", ran.parent / "r")
    changes = "--set train.epochs=0 --set 'methods.tab={use: random, scheme: jax}'"
    only = "--only 'random-L1-*' --only 'tab-L1-*-s0'"
    assert text.startswith(f"note: this describes its last run, which had {changes} {only}\ntiny: 3 runs, 5 jobs")
    assert states(text, "run") == {"all": 3, "done": 3}
    given = said(capsys, "status", ran, "--set", "train.epochs=0", "--results", ran.parent / "r")
    assert given.startswith("tiny: 20 runs") and states(given, "run")["all"] == 20 and states(given, "run")["done"] == 2
    fewer = said(capsys, "status", ran, "--only", "tab-*", "--results", ran.parent / "r")
    assert (
        fewer.startswith(f"note: this describes its last run, which had {changes}\ntiny: 4 runs")
        and states(fewer, "run")["done"] == 1
    )
    itself = said(capsys, "status", ran.parent / "r" / "tiny" / "suite.yaml", "--results", ran.parent / "r")
    assert itself == text


def test_status_says_that_the_suite_has_changed(ran, capsys):
    ran.write_text(SUITE.replace("random: {}", "randon: {}"))  # not even valid
    text = said(capsys, "status", ran, "--results", ran.parent / "r")
    kept = ran.parent / "r" / "tiny" / "suite.yaml"
    assert text.startswith(f"note: {ran} has changed since its last run; this describes the last run ({kept})\n")
    assert states(text, "run") == {"all": 3, "done": 3}
    assert "unknown method 'randon'" in said(capsys, "plan", ran, "--results", ran.parent / "r", code=2)


@pytest.mark.parametrize(
    "first", ["", "# mine", "# kept by bench run: {", "# kept by bench run: []", '# kept by bench run: {"set": []}']
)
def test_a_kept_suite_that_was_changed(first, ran, capsys):
    kept = ran.parent / "r" / "tiny" / "suite.yaml"
    kept.write_text(first + "\n" + SUITE)
    text = said(capsys, "status", ran, "--results", ran.parent / "r", code=2)
    assert text.startswith(f"error: {kept}:1: ") and "run the suite again" in text


def test_the_kept_suite_is_the_resolved_one(ran):
    lines = (ran.parent / "r" / "tiny" / "suite.yaml").read_text().splitlines()
    header = json.loads(lines[0].removeprefix("# kept by bench run: "))
    assert header["set"][0] == "train.epochs=0" and header["only"] == ["random-L1-*", "tab-L1-*-s0"]
    data, _ = parse("\n".join(lines), "f")
    assert data["train"] == {"epochs": 0, "batch_size": 216} and data["methods"]["tab"] == {
        "use": "random",
        "scheme": "jax",
    }


STRINGS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\x85"))
STRINGS |= st.sampled_from(
    ["1e-3", "yes", "010", "1:30", "~", "null", "true", "<<", "=", "2024-01-01", ".nan", "0x1", "", "- a"]
)
VALUES = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | STRINGS
VALUES |= st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(STRINGS.filter(lambda text: text != "<<"), DATA, max_size=4))
def test_what_is_kept_is_read_as_it_was(data):
    found, _ = parse(dump(data), "f")
    assert found == data and repr(found) == repr(data)


def test_methods(capsys):
    text = said(capsys, "methods")
    assert [line.split()[0] for line in text.splitlines() if line and line[0] != " "][:-2] == methods.names()
    assert all(len(line) < 140 for line in text.splitlines())


@pytest.mark.parametrize("name", methods.names())
def test_one_method(name, capsys):
    text = said(capsys, "methods", name)
    for what in (
        "Source",
        "Verified",
        "Assumed",
        "Options, with their defaults:",
        "  head: ",
        "In a suite:  methods: ",
    ):
        assert what in text
    example = parse(text.split("In a suite:  methods: ")[1].splitlines()[0], "f")[0]
    suite = SUITE.replace("random: {}", f"my_label: {json.dumps(example['my_label'])}")
    assert "unknown" not in suite and "use" in example["my_label"]


def test_no_such_method(capsys):
    assert "did you mean 'wave'?" in said(capsys, "methods", "wav", code=2)
    assert "No module named 'nowhere'" in said(capsys, "methods", "nowhere:X", code=2)
    assert "expected a subclass" in said(capsys, "methods", "os:path", code=2)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_table_of_the_docs_is_the_command_s(capsys):
    page = (Path(__file__).parents[3] / "docs" / "methods.md").read_text()
    table = page.split("--markdown -->\n")[1].split("\n<!-- end -->")[0]
    assert table == said(capsys, "methods", "--markdown").strip(), "python -m bench methods --markdown"


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("random", "D- D+ W- W+"),
        ("weight_selection", "D- W-"),
        ("sws", "D- D+"),
        ("lemon", "D+ W+"),
        ("ligo", "D- D+ W+"),
    ],
)
def test_what_a_method_serves_is_what_it_supports(name, served):
    marks = serves(methods.method_class(name))
    assert " ".join(size for size, mark in marks.items() if mark) == served


def test_what_is_mostly_declared_says_so_where_it_is_listed(capsys):
    lines = said(capsys, "methods").splitlines()
    marked = {line.split()[0] for line in lines if line.endswith("MOSTLY DECLARED")}
    assert marked == {"fine", "bot", "conditioned", "cluster_learngene"}
    assert next(line for line in lines if line.startswith("wave ")).endswith("; WAVE-STYLE")
    for name in marked:
        assert "mostly declared" in methods.method_class(name).__doc__.splitlines()[0].lower()
