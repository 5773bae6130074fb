"""The folder of a job: what it left is whole or not there; what is damaged is noticed and set aside."""

import os

import pytest

from bench.store import JobDir, Store


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
