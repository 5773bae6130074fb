"""Each kind of job is known wherever something is said by kind. What fails here says what to add, and where."""

from pathlib import Path

import pytest

from bench import cli
from bench.errors import UsageError
from bench.export.of_job import export
from bench.export.selection import Selected
from bench.export.sources import MODELS
from bench.jobs import KINDS
from bench.jobs.kinds import DESCRIPTIONS
from bench.room.leftovers import DEAR
from bench.store import Store
from bench.store.result_shapes import COMMON, RESULTS
from bench.suite.slurm import Slurm

PAGES = {
    "README.md": f"one module per kind ({', '.join(KINDS)})",
    "docs/slurm.md": " and ".join([", ".join(f"`{kind}:`" for kind in KINDS[:-1]), f"`{KINDS[-1]}:` inside it say"]),
}


def choices(command, option):
    """What the command line takes."""
    (commands,) = (action.choices for action in cli.parser()._actions if action.dest == "command")
    return next(action.choices for action in commands[command]._actions if action.dest == option)


@pytest.mark.parametrize("kind", KINDS)
def test_its_class_is_called_as_it_is(kind):
    assert DESCRIPTIONS[kind].kind == kind, f"bench/jobs/{kind}.py: say `kind = {kind!r}` in {kind.capitalize()}Job"


@pytest.mark.parametrize("kind", KINDS)
def test_its_result_says_what_all_results_say(kind):
    assert COMMON.items() <= RESULTS[kind].items(), f"bench/store/result_shapes.py: begin {kind!r} of RESULTS by COMMON"


@pytest.mark.parametrize("kind", KINDS)
def test_slurm_takes_wishes_for_it(kind):
    section = Slurm.model_validate({"time": 9, kind: {"time": 7}})
    assert {other for other in KINDS if section.of(other).time == 7} == {kind}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exported_of_it_can_be(kind):
    exported = DESCRIPTIONS[kind].exported
    unknown = {*exported} - {*choices("export", "what")}
    assert not unknown, f"bench/cli.py: add {unknown} to the choices of export --what"
    unknown = {*exported} - {"learngene", *MODELS}
    assert not unknown, f"bench/export/sources.py: add {unknown} to MODELS"


def test_a_kind_of_which_nothing_is_exported_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(DESCRIPTIONS["start"], "exported", ())
    with pytest.raises(
        UsageError, match="start x: nothing of it .*; expected a job of kind ancestor or learngene or run"
    ):
        export(Store(tmp_path / "r"), Selected("start", "x"), None, tmp_path / "out", force=False, use=None, say=print)


@pytest.mark.parametrize("kind", KINDS)
def test_its_artifacts_can_be_cleaned(kind):
    name = DESCRIPTIONS[kind].cleaned_as
    assert name in DEAR, f"bench/room/leftovers.py: add {name!r} to HAVE and DEAR, or take one of {list(DEAR)}"
    assert name in choices("clean", "what"), f"bench/cli.py: add {name!r} to the choices of clean --what"


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_all(page):
    text = " ".join((Path(__file__).parents[3] / page).read_text().split())
    assert PAGES[page] in text, f"{page}: say {PAGES[page]!r}"
