"""docs/clusters.md: the same command several times on one folder of results."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from bench.cli import parser
from tests.bench import tiny
from tests.bench.until import until

PAGE = (Path(__file__).parents[3] / "docs" / "clusters.md").read_text()
SCRIPTS = dict(re.findall(r"<!-- script: (\w+) -->\n```\w+\n(.*?)```", PAGE, re.S))
WORK = ("--launcher", "inline", "--only", "random-*", "--only", "weight_selection-*")


def events(results: Path, event: str) -> dict[str, int]:
    """How often an event is in the log of each job."""
    logs = {log.parent.name: log.read_text().splitlines() for log in results.glob("jobs/*/*/log.jsonl")}
    return {job: [json.loads(line)["event"] for line in lines].count(event) for job, lines in logs.items()}


def test_three_processes_one_of_which_is_stopped(tmp_path, tiny_results):
    suite, results = tiny.write(tmp_path), tmp_path / "r"
    command = ("run", suite, "--results", results, *WORK)
    processes = [tiny.process(*command)]
    until(lambda: any(events(results, "start").values()), processes[0])  # before that it cannot be stopped
    processes += [tiny.process(*command) for _ in range(2)]
    until(lambda: any(events(results, "done").values()), processes[0])
    processes[0].send_signal(signal.SIGTERM)
    codes = []
    for process in processes:
        process.communicate(timeout=1800)
        codes.append(process.returncode)
    assert codes[0] in (0, 130) and codes[1:] == [0, 0]  # it may have had no time left to be stopped in
    assert set(events(results, "done").values()) == {1}, "each job was done once"
    expected = [row for row in tiny.numbers(tiny_results) if row["method"] in ("random", "weight_selection")]
    assert len(expected) == 8 and tiny.numbers(results) == expected
    again = tiny.process(*command)
    out, _ = again.communicate(timeout=1800)
    assert again.returncode == 0 and "nothing to do: all" in out


@pytest.mark.parametrize("scheduler", ["pbs", "lsf", "kubernetes"])
def test_the_scripts_are_ones_and_their_command_is(scheduler):
    text = SCRIPTS[scheduler]
    if scheduler == "kubernetes":
        (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
        words = container["command"]
    else:
        assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""
        words = text.splitlines()[-1].removeprefix("exec ").split()
    assert words[0] == "learngene-bench"
    options = parser().parse_args(words[1:])
    assert (options.command, options.jobs, str(options.results)) == ("run", 1, "/shared/results")
