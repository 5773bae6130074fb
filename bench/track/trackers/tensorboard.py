"""TensorBoard: a folder and an event file per job, which it is appended to. Needs neither torch nor TensorFlow."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from bench import files
from bench.errors import BenchError
from bench.track.record import Point, Record
from bench.track.trackers.tracker import TrackedJob

FRAME = 16  # bytes of a record beside its data: length, its checksum, that of the data


def open_tracker(folder: Path) -> Files:
    return Files(folder)


class Files:
    """`KIND/NAME/events.out.tfevents.*`, where the name ends with the hash of the job's identity.

    A job's file appears whole. What comes later is appended in one write; of one that a kill has cut the whole records
    stay, and the rest is cut off before anything is appended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = folder.glob("*/*/events.out.tfevents.*")
        self.paths = {_hash(path.parts[-2]): path for path in sorted(paths, reverse=True)}

    def look_up(self, key: str) -> TrackedJob | None:
        path = self.paths.get(_hash(key))
        if path is None:
            return None
        data = path.read_bytes()
        if (end := whole(data)) < len(data):
            os.truncate(path, end)
        events = [Event.FromString(record) for record in records(data[:end])] if sound(data[:end]) else []
        if not events:
            raise BenchError(f"{path}: damaged; remove it, and its job is told anew")
        points = {
            (value.tag, event.step): value.simple_value
            for event in events
            for value in event.summary.value
            if value.WhichOneof("value") == "simple_value"
        }
        return TrackedJob(points, events[0].wall_time)

    def write(self, key: str, record: Record, new: list[Point]) -> None:
        path = self.paths.get(_hash(key))
        if path is not None:
            if new:
                append(path, framed(map(scalar, new)))
            return
        name = record.name + key.removeprefix(record.id)
        path = self.folder / record.kind / name / f"events.out.tfevents.{record.began:010.0f}.bench"
        began = Event(wall_time=record.began, file_version="brain.Event:2")  # the first one says when
        facts = Event(wall_time=record.began, summary=hparams_pb(record.facts, record.id, record.began))
        files.write_bytes(path, framed([began, facts, *map(scalar, new)]))
        self.paths[_hash(key)] = path

    def close(self) -> None:
        """Nothing is held."""

    def usage(self) -> str:
        return f"tensorboard --logdir {self.folder}"


def _hash(name: str) -> str:
    """What a job's identity ends with, and its folder's name."""
    return name.rpartition("-")[2]


def scalar(point: Point) -> Event:
    value = Summary.Value(tag=point.series, simple_value=point.value)
    return Event(wall_time=point.time, step=point.step, summary=Summary(value=[value]))


def framed(events: Iterable[Event]) -> bytes:
    """Events as a file has them."""
    return framed_data(event.SerializeToString() for event in events)


def framed_data(parts: Iterable[bytes]) -> bytes:
    """Records as a file has them."""
    data = BytesIO()
    writer = RecordWriter(data)
    for part in parts:
        writer.write(part)
    return data.getvalue()


def append(path: Path, data: bytes) -> None:
    """Append in one write, and see it on the disk. Raises OSError where there is no room for all of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    try:
        size = os.fstat(descriptor).st_size
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def records(data: bytes) -> Iterator[bytes]:
    """Yield the data of each whole record."""
    at = 0
    while (end := _end(data, at)) is not None:
        yield data[at + FRAME - 4 : end - 4]
        at = end


def sound(data: bytes) -> bool:
    """Whether records are what they were when they were written, by their checksums."""
    return framed_data(records(data)) == data


def whole(data: bytes) -> int:
    """How many bytes are whole records."""
    at = 0
    while (end := _end(data, at)) is not None:
        at = end
    return at


def _end(data: bytes, at: int) -> int | None:
    if len(data) < at + FRAME:
        return None
    end = at + FRAME + struct.unpack_from("<Q", data, at)[0]
    return end if end <= len(data) else None
