"""`bench logs`: what a job wrote, and what it goes on to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.commands import logs
from bench.store import JobDir
from tests.bench import tiny

ID = "Wave-L1-d16-digits-s0-0123456789ab"


@pytest.fixture
def job(tmp_path: Path) -> JobDir:
    folder = JobDir(tmp_path / "jobs" / "run" / ID)
    folder.append_log("start", pid=1)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> list[str]:
    capsys.readouterr()
    assert tiny.bench("logs", *arguments) == code
    out, err = capsys.readouterr()
    return (out + err).splitlines()


@pytest.mark.parametrize("name", [ID, ID.rpartition("-")[0], "Wave-*-s0"])
def test_events_output_and_failure(name: str, job: JobDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (job.path / "output.txt").write_text("a warning\n")
    job.fail("RuntimeError: boom", kind="error", traceback="Traceback ...\n")
    text = said(capsys, name, "--results", tmp_path)
    assert text[0] == f"run {ID}: {job.log}" and text[1].endswith("start pid=1")
    assert text[2].endswith("failed error=RuntimeError: boom kind=error")
    assert text[3:] == [
        f"output ({job.path / 'output.txt'}):",
        "a warning",
        "failed: RuntimeError: boom",
        "Traceback ...",
    ]


def test_logs_show_the_training(tiny_results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "random-L1-*-s0", "--results", tiny_results)
    lines = [line.split(" ", 3) for line in text if " train " in line]
    assert [line[2] for line in lines] == ["train"] * 2
    for epoch, (*_, values) in enumerate(lines, start=1):
        assert values.startswith(f"fit=run epoch={epoch}.0 step={4 * epoch} images={864 * epoch} loss=")
        assert "lr=" in values and "images_per_second=" in values


def test_nothing_matches(job: JobDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = said(capsys, "sws-*", "--results", tmp_path, code=2)
    assert "no job in" in text and "'sws-*'" in text


def test_followed_to_the_end(
    job: JobDir, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event once, those that come between the first look and the second too, and none after the end."""
    between_looks = iter([["eval 0"], ["eval 1", "eval 2"], [], ["done"], ["after the end"]])

    def goes_on() -> None:
        for event in next(between_looks):
            job.append_log(event)

    show = logs.show
    monkeypatch.setattr(logs, "show", lambda folder: (show(folder), goes_on())[0])
    monkeypatch.setattr(logs.time, "sleep", lambda seconds: goes_on())
    text = said(capsys, ID, "--follow", "--results", tmp_path)
    assert [line.split(" ", 2)[2] for line in text[1:]] == ["start pid=1", "eval 0", "eval 1", "eval 2", "done"]
    assert next(between_looks) == ["after the end"], "nobody waited for that"


def test_only_one_can_be_followed(job: JobDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    JobDir(job.path.with_name("Wave-L2-d16-digits-s0-0123456789ab")).append_log("start")
    assert "2 jobs match" in said(capsys, "Wave-*", "--follow", "--results", tmp_path, code=2)[0]
