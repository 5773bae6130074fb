"""Files of a job are whole or not there; what is damaged is noticed and set aside."""

import os
import subprocess
import sys

import pytest

from bench import files
from bench.store import JobDir, Store


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


@pytest.fixture
def done(tmp_path):
    """A done job with one artifact."""
    folder = Store(tmp_path).job_dir("any", "random-1")  # of no kind that says more of its results
    folder.path.mkdir(parents=True)
    (folder.path / "weights.safetensors").write_bytes(b"12345678")
    folder.checkpoint.write_bytes(b"state")
    folder.fail("before", kind="error")
    folder.write_result({"top1": 50.0}, ["weights.safetensors"])
    return folder


def test_a_done_job(done):
    assert done.damage() is None
    assert done.result()["top1"] == 50.0 and set(done.result()["artifacts"]) == {"weights.safetensors"}
    assert done.failure() is None and not done.checkpoint.exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def alter(path):
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: cut(path / "weights.safetensors"), "7 bytes instead of 8"),
        (lambda path: alter(path / "weights.safetensors"), "does not match its checksum"),
        (lambda path: (path / "weights.safetensors").unlink(), "weights.safetensors: missing"),
        (lambda path: cut(path / "result.json") or cut(path / "result.json"), "truncated"),
        (lambda path: (path / "result.json").write_text("{}"), "truncated or not a result"),
        (lambda path: (path / "result.json").write_text(""), "truncated or not a result"),
        (
            lambda path: (path / "result.json").write_text((path / "result.json").read_text().replace("50.0", "90.0")),
            "does not match its checksum",
        ),
    ],
)
def test_damage_is_set_aside(spoil, says, done):
    spoil(done.path)
    assert says in done.damage()
    here = set(os.listdir(done.path))
    aside = done.set_aside()
    assert aside.parent == done.path.parent and ".damaged-" in aside.name and set(os.listdir(aside)) == here
    assert done.damage() is None and done.result() is None and os.listdir(done.path) == []


def test_a_touched_artifact_is_no_damage(done):
    os.utime(done.path / "weights.safetensors", (1, 1))
    assert done.damage() is None


def test_nothing_is_set_aside_under_another_process(done):
    alter(done.path / "weights.safetensors")
    lock = done.lock()
    assert lock.acquire()
    assert done.set_aside() is None and (done.path / "weights.safetensors").exists()
    aside = done.set_aside(locked=True)
    assert (aside / "weights.safetensors").exists() and lock.held()
    lock.release()


def test_what_was_mended_meanwhile_stays(done):
    assert done.set_aside() is None and done.result()["top1"] == 50.0


def test_a_damaged_failure_is_a_failure(tmp_path):
    folder = JobDir(tmp_path)
    (tmp_path / "failure.json").write_text("{")
    assert "damaged" in folder.failure()["error"]
    folder.clear_failure()
    assert folder.failure() is None
    folder.clear_failure()


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("output.txt", lambda folder: os.close(folder.open_output())),
        ("log.jsonl", lambda folder: folder.append_log("x")),
    ],
)
def test_a_pipe_in_place_of_what_is_appended_to_is_not_waited_for(name, write, tmp_path):
    folder, path = JobDir(tmp_path / "job"), tmp_path / "job" / name
    write(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=name):
        write(folder)
    listener = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="not a plain file"):
        write(folder)
    os.close(listener)
