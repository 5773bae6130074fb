"""What is no plain YAML is an error of the suite; what is, is read as one would expect."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import SuiteError
from bench.suite.yaml_lines import dump, parse
from tests.bench.tiny import SUITE, bench, write

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

FILES = {
    "empty": (b"", ":1: expected a mapping with keys such as name, dataset, targets, methods, found nothing"),
    "comment": (b"# nothing\n", ":1: expected a mapping"),
    "list": (b"- name: x\n", "found a list"),
    "text": (b"just words\n", "found a string"),
    "number": (b"3\n", "found the value 3"),
    "syntax": (b"name: x\ntargets: [1, 2\n", ":3: not valid YAML: expected ',' or ']'"),
    "tab": (b"name: x\ntrain:\n\tepochs: 3\n", ":3: not valid YAML: found character '\\t'"),
    "documents": (b"name: x\n---\nname: y\n", ":2: not valid YAML"),
    "code": (
        b"name: x\nseeds: !!python/object/apply:os.system ['touch x']\n",
        ":2: not valid YAML: found the tag !!p",
    ),
    "own tag": (b"name: !name x\n", ":1: not valid YAML: found the tag !name"),
    "type tag": (b"seeds: !!int 3\n", ":1: not valid YAML: found the tag !!int"),
    "number key": (b"name: x\n3: y\n", ":2: expected a name as key, found '3'"),
    "null key": (b"name: x\n~: y\n", ":2: expected a name as key, found '~'"),
    "list key": (b"name: x\n[a]: y\n", ":2: expected a name as key, found a sequence"),
    "duplicate key": (b"name: x\nseeds: 1\nname: y\n", ":3: name: duplicate key 'name', first in line 1"),
    "undefined alias": (b"name: *x\n", ":1: not valid YAML: found undefined alias"),
    "endless alias": (b"name: x\nseeds: &s [*s]\n", ":2: nested too deeply"),
    "bomb": (BOMB.encode(), "more than 100,000 values"),
    "deep": (b"[" * 5000, ":1: not valid YAML: nested too deeply"),
    "large": (b"#" * 2_000_000, "larger than"),
    "image": (b"\x89PNG\r\n\x1a\n\x00\x00", ":1: not a text file in UTF-8: found byte 0x89"),
    "latin-1": (b"name: x\n# caf\xe9\n", ":2: not a text file in UTF-8: found byte 0xe9"),
    "control character": (b"name: x\nseeds: \x07\n", ":2: not a text file: found the character 0x7"),
    "half a character": (b'name: "\\ud800"\n', ":1: name: '\\ud800' is no text"),
}


@pytest.mark.parametrize(("content", "says"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_bad_file(content, says, command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert bench(command, path, "--results", tmp_path / "results") == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {path}") and says in err
    assert not out and "Traceback" not in err
    assert os.listdir(tmp_path) == ["bad.yaml"]


@pytest.mark.parametrize(("path", "says"), [("no.yaml", "no such suite file"), (".", "Is a directory"), ("\0", "null")])
def test_no_file(path, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bench("run", path) == 2
    assert says in capsys.readouterr().err
    assert not os.listdir(tmp_path)


def test_all_problems_are_told_at_once(tmp_path, capsys):
    text = SUITE.replace("random: {}", "randon: {}").replace("stages: 2", "stags: 2").replace("depth: [1", "deth: [1")
    assert bench("run", write(tmp_path, text)) == 2
    err = capsys.readouterr().err
    assert err.startswith("errors:\n")
    assert [name for name in ("targets.0.deth", "methods.randon", "methods.sws.stags") if name in err] == [
        "targets.0.deth",
        "methods.randon",
        "methods.sws.stags",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.0e-3", 0.001), ("-2E+2", -200.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("7", 7),
        ("-7", -7), ("+7", 7), ("0", 0), ("true", True), ("FALSE", False), ("~", None), ("null", None), ("", None),
        ("yes", "yes"), ("off", "off"), ("n", "n"), ("010", "010"), ("0x1f", "0x1f"), ("1:30", "1:30"),
        ("1_000", "1_000"), ("2024-01-01", "2024-01-01"), (".inf", ".inf"), (".nan", ".nan"), ("e5", "e5"),
        ("1e", "1e"), ("'7'", "7"), ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)  # fmt: skip
def test_scalars(text, value):
    found = parse(f"key: {text}\n", "f")[0]["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["1" * 900_000, "-" + "7" * 900_000 + "x", "1" * 400_000 + "e" + "1" * 400_000 + "x"])
def test_a_long_number_takes_one_look(text):
    """A pattern that tries every place for the end of the digits would be at it for hours."""
    assert parse(f"key: {text}\n", "f")[0]["key"] == text


def test_lines_and_merged_keys():
    data, lines = parse("a: &x\n  b: 1\nc:\n  <<: *x\n  d: [2,\n   3]\n", "f")
    assert data == {"a": {"b": 1}, "c": {"b": 1, "d": [2, 3]}}
    assert lines["c", "d"] == 5 and lines["c", "d", 1] == 6 and lines["a", "b"] == 2
    data["a"]["b"] = 5
    assert data["c"]["b"] == 1, "what an anchor shares in the file must not be shared in the data"


def test_several_duplicates():
    with pytest.raises(SuiteError) as error:
        parse("a: 1\na: 2\nb: {c: 1, c: 2}\n", "f")
    assert error.value.problems == [
        "f:2: a: duplicate key 'a', first in line 1",
        "f:3: b.c: duplicate key 'c', first in line 3",
    ]


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
