"""Files are whole or not there, whoever reads, writes or is killed; what is damaged is noticed."""

import os
import subprocess
import sys

import pytest

from bench import files


def test_json_round_trip(tmp_path):
    value = {"a": 0.1, "b": [1, None, True], "c": {"text": "\u00e9 \u2028 \x1b"}, "d": 1e-300, "e": 2**62, "t": (1, 2)}
    files.write_json(tmp_path / "deep" / "x.json", value)
    assert files.read_json(tmp_path / "deep" / "x.json") == value | {"t": [1, 2]}
    assert os.listdir(tmp_path / "deep") == ["x.json"]


def test_what_is_not_there_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    assert files.read_json(tmp_path / "no.json") is None
    assert files.read_json(tmp_path / "file" / "no.json") is None


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"top1": 93.5, "n": 7})
    whole = path.read_bytes()
    assert files.is_whole(path) and not files.is_whole(tmp_path / "no.json")
    for end in range(len(whole) - 1):  # the last byte is a newline
        path.write_bytes(whole[:end])
        assert not files.is_whole(path)
        with pytest.raises(ValueError, match=r"x\.json: "):
            files.read_json(path)
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        try:
            assert files.read_json(path) == {"top1": 93.5, "n": 7}  # white space
            assert whole[i : i + 1].isspace()
        except ValueError:
            pass


WRITER = """
import sys
from pathlib import Path
from bench.files import write_bytes
n = 0
while True:
    n += 1
    write_bytes(Path(sys.argv[1]), str(n % 10).encode() * 100_000)
    if n == 1:
        print("began", flush=True)
"""


def test_a_reader_and_a_kill_see_whole_files(tmp_path):
    path = tmp_path / "data"
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout.readline()
        seen = [path.read_bytes() for _ in range(30)]
        writer.kill()
        writer.communicate()
        seen.append(path.read_bytes())
        assert all(len(data) == 100_000 and len(set(data)) == 1 for data in seen)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    files.write_bytes(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x"]
