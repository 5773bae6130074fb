"""`bench methods`: as a user reads it, and the table of the docs."""

import json
from pathlib import Path

import pytest

import methods
from bench.commands.methods import serves
from bench.suite.yaml_lines import parse
from tests.bench.tiny import SUITE, said


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
