"""The command line as a user meets it: exit codes, messages, and what is not imported."""

import os
import pkgutil
import subprocess
import sys

import pytest

import bench as bench_package
import methods
from bench import commands
from bench.cli import EPILOG, GROUPS
from bench.errors import printable
from tests.bench.tiny import bench, fresh_process, write

COMMANDS = [name for names in GROUPS.values() for name in names]


def python(code: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        bench("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"learngene-bench {bench_package.__version__}\n"


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_gpu_that_is_not_there_is_missed_before_anything_starts(command, tmp_path, monkeypatch, capsys):
    path, results = write(tmp_path), tmp_path / "results"
    wish = ("--set", "device=cuda", "--results", results)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert bench(command, path, *wish) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: --set device=cuda: device: cuda, but this machine has no GPU to use")
    assert "--set device=cpu" in message and not results.exists()


@pytest.mark.parametrize(("visible", "more"), [("0", ()), ("", ("--set", "device=auto"))])
def test_a_gpu_is_missed_only_where_it_is_wanted(visible, more, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert bench("plan", write(tmp_path), "--set", "device=cuda", *more, "--results", tmp_path / "results") == 0


def test_help_groups_the_commands(capsys):
    with pytest.raises(SystemExit):
        bench("--help")
    out = capsys.readouterr().out
    titles = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert [title for title in titles if title != "take out:"] == [
        "options:", "run:", "look:", "bring in:", "keep house:"
    ], "a command is in no group of bench.cli"  # fmt: skip
    assert out.index("\n  plan      what would run") < out.index("\n  run       run what is not") < out.index("look:")


def test_every_module_of_commands_is_a_command_in_a_group():
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert sorted(COMMANDS) == sorted(modules - {"common"}), "expected each in GROUPS of bench.cli, once"


LIGHT = """
import sys
from bench.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as error:
    code = error.code
heavy = {"torch", "timm", "pandas", "sklearn", "scipy", "matplotlib", "torchvision"} & set(sys.modules)
print(heavy or "light", code)
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_imported_and_explained_without_heavy_imports(command):
    done = python(f"import bench.commands.{command}\n{LIGHT}", command, "--help")
    assert done.stdout.splitlines()[-1] == "light 0", "expected heavy imports within the functions that need them"
    assert EPILOG in " ".join(done.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_a_command_does_not_have(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench(command, "--no-such-option")
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["methods"], 0),
        (["methods", "wave"], 0),
        (["methods", "wavee"], 2),
        (["init", "--help"], 0),
        (["init", "x", "--method", "wavee", "--learngene", "nothing"], 2),
        (["export", "nothing", "--out", "x"], 2),
        (["schema"], 0),
        (["plan", "SUITE"], 0),
        (["status", "SUITE"], 0),
        (["plan", "SUITE", "--set", "train.epoch=1"], 2),
        (["run", "SUITE", "--set", "train.epoch=1"], 2),
        (["run", "nowhere.yaml"], 2),
        (["run", "SUITE", "--only", "nothing-*"], 2),
        (["nonsense"], 2),
    ],
    ids=str,
)
def test_answers_without_heavy_imports(arguments, code, tmp_path):
    suite = str(write(tmp_path))
    arguments = [suite if a == "SUITE" else a for a in arguments]
    arguments += ["--results", str(tmp_path / "r")] if suite in arguments else []
    done = python(LIGHT, *arguments)
    assert done.stdout.splitlines()[-1] == f"light {code}", done.stderr
    assert not (tmp_path / "r").exists()


def test_a_whole_process(tmp_path):
    """What a user sees of a wrong suite: one line on standard error, exit code 2."""
    path = tmp_path / "suite.yaml"
    path.write_text("name: x\ndataset: digits\ntargets: [{depth: 2}]\nmethods: {wavee: {}}\n")
    started = fresh_process("run", path, "--results", tmp_path / "r")
    out, _ = started.communicate(timeout=1800)
    assert started.returncode == 2
    assert out.splitlines() == [
        f"error: {path}:4: methods.wavee: unknown method 'wavee'; did you mean 'wave'? "
        f"(methods: {', '.join(methods.names())}, or module:Class)"
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["run"], "SUITE"),
        (["run", "x.yaml", "--jobs", "0"], "expected a whole number of at least 1, found '0'"),
        (["run", "x.yaml", "--jobs", "two"], "expected a whole number of at least 1, found 'two'"),
        (["run", "x.yaml", "--launcher", "sulrm"], "invalid choice: 'sulrm'"),
        (["run", "x.yaml", "--job", "2"], "unrecognized arguments"),
        (["plna", "x.yaml"], "invalid choice: 'plna'"),
    ],
)
def test_wrong_command_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench(*arguments)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("launcher", [[], ["--launcher", "inline"]])
def test_only_slurm_goes_on_by_itself(launcher, tmp_path, capsys):
    assert bench("run", write(tmp_path), "--detach", *launcher, "--results", tmp_path / "r") == 2
    assert "expected --launcher slurm" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def unwritable(tmp_path):
    """Results directories that cannot be written, also not by root."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "taken" / "jobs").mkdir(parents=True)
    (tmp_path / "taken" / "tiny").write_text("mine")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "jobs").write_text("mine")
    return {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "results",
        "a loop": tmp_path / "loop",
        "no such place": "/proc/nowhere/results",
        "too long": tmp_path / ("x" * 300),
        "suite is a file": tmp_path / "taken",
        "jobs is a file": tmp_path / "blocked",
        "nul": tmp_path / "a\0b",
    }


PLACES = ("a file", "below a file", "a loop", "no such place", "too long", "suite is a file", "jobs is a file", "nul")


@pytest.mark.parametrize("name", PLACES)
def test_results_that_cannot_be_written(name, tmp_path, capsys):
    results = unwritable(tmp_path)[name]
    before = [(path, path.is_file() and path.read_text()) for path in sorted(tmp_path.rglob("*"))]
    suite = write(tmp_path)
    assert bench("run", suite, "--results", results) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: --results {printable(results)}: cannot be written: ") and "Traceback" not in err
    suite.unlink()
    assert [(path, path.is_file() and path.read_text()) for path in sorted(tmp_path.rglob("*"))] == before


@pytest.mark.parametrize("command", ["plan", "status"])
def test_looking_at_results_that_are_none(command, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for results in (tmp_path / "nowhere", tmp_path / "file", tmp_path / "file" / "below"):
        assert bench(command, write(tmp_path), "--results", results) == 0
    assert capsys.readouterr().out.count("tiny: 20 runs") == 3
    assert sorted(os.listdir(tmp_path)) == ["file", "tiny.yaml"]  # nothing was made


def test_only_that_matches_nothing(tmp_path, capsys):
    assert bench("run", write(tmp_path), "--only", "wavee-*", "--results", tmp_path / "r") == 2
    err = capsys.readouterr().err
    assert "--only wavee-*: matches none of 20 runs (such as " in err
    assert not (tmp_path / "r").exists()


def test_a_reader_that_has_seen_enough(tmp_path):
    """`bench plan | head -1` ends quietly, however much is still to be said."""
    command = f"{sys.executable} -m bench plan {write(tmp_path)} --set seeds=60 --all --results {tmp_path / 'r'}"
    done = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True)
    assert done.stdout.startswith("tiny: 600 runs") and not done.stderr
