"""Two suites of one name in a results folder: whoever would replace the other's tables says so first."""

from tests.bench.tiny import bench

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: DEPTH}]
methods: {random: {}}
train: {epochs: 0}
seeds: 1
"""


def test_plan_and_run_warn_of_another_suite_of_that_name(tmp_path, capsys):
    mine, other = tmp_path / "mine.yaml", tmp_path / "other.yaml"
    mine.write_text(SUITE.replace("DEPTH", "1"))
    other.write_text(SUITE.replace("DEPTH", "2"))

    def said(command, suite, *arguments):
        assert bench(command, suite, *arguments, "--results", tmp_path / "r") == 0
        return capsys.readouterr().err

    folder = tmp_path / "r" / "tiny"
    assert said("plan", mine) == said("run", mine, "--launcher", "inline") == said("plan", mine) == ""
    expected = f"warning: {other}: name: {folder} has the tables of another suite of that name, {mine}; "
    assert said("plan", other) == f"{expected}bench run would replace them. Give one of them another name\n"
    assert (
        said("run", other, "--launcher", "inline")
        == f"{expected}they are replaced now. Give one of them another name\n"
    )
    assert said("plan", other) == ""
