"""The fingerprint of a data set: a hash of the name, size, label, part and bytes of all that it is made of.

`content` reads every byte, once: hashes are kept in the user's cache. `sample` takes names and sizes of all files, and
the bytes of one block in a hundred, which their names choose. Where a data set lies makes no difference.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from stat import S_ISREG
from typing import Any, Literal, NamedTuple

from bench.data.hash_cache import HashCache, key
from bench.data.survey import File
from bench.errors import BenchError
from bench.identity import canonical
from bench.processes import cores

Form = Literal["content", "sample"]

CHUNK = 512  # files that a thread looks at before it says so
BLOCK = 1 << 20  # bytes of a file that are read at once; those of a sample are chosen by block
SAMPLED = 100  # one block of so many is in a sample
FRESH = 2.0  # seconds: what changed so lately may change again without another time; its hash is not kept
SAVE_EVERY = 20.0  # seconds between two looks at which the cache is written while it is filled
PATIENCE = 2.0  # seconds of silence


class FileChanged(BenchError, ValueError):
    """A file of a data set that is not there any more, or changed while it was read."""


class FileLook(NamedTuple):
    """What was found of a file; `digest` of all of it, or of the blocks that are in the sample, one after the other."""

    size: int
    mtime_ns: int
    digest: bytes


class Missing(NamedTuple):
    """A file of which the cache has not all hashes: its number, its blocks (-1: all of it) and their keys."""

    number: int
    path: str
    status: os.stat_result
    blocks: list[int]
    keys: list[bytes]


def fingerprint(
    name: str, root: str, files: Sequence[File], form: Form, chosen: Any = None
) -> tuple[str, list[FileLook]]:
    """Hash a data set; returns the hash (64 hexadecimal digits) and what was found of each file.

    name: of the data set, for messages; root: where it is, which is no part of the hash.
    chosen: what beside the files says which images are used, JSON-able.
    Raises FileChanged naming a file that changes meanwhile.
    """
    looks = look(name, root, files, form)
    total = hashlib.sha256(canonical([form, chosen]).encode())
    for file, seen in zip(files, looks, strict=True):
        label = "" if file.label is None else file.label
        total.update(f"{file.part}\0{label}\0{seen.size}\0".encode() + os.fsencode(file.name) + b"\0" + seen.digest)
    return total.hexdigest(), looks


def look(name: str, root: str, files: Sequence[File], form: Form) -> list[FileLook]:
    """What is found of each file, in their order. The cache is used, and filled by what is read in parallel."""
    cache, used = HashCache(root), set[bytes]()
    looks: list[FileLook | None] = []
    missing: list[Missing] = []
    for number, file in enumerate(files):
        status = status_of(file.path)
        blocks = [-1] if form == "content" else sampled(file.name, status.st_size)
        keys = [key(file.path, status, block) for block in blocks]
        used.update(keys)
        digests = [cache.hashes.get(place, b"") for place in keys]
        known = all(digests)
        looks.append(FileLook(status.st_size, status.st_mtime_ns, b"".join(digests)) if known else None)
        if not known:
            missing.append(Missing(number, file.path, status, blocks, keys))
    for one, digests in read_all(name, missing, cache):
        looks[one.number] = FileLook(one.status.st_size, one.status.st_mtime_ns, b"".join(digests))
    cache.save(used)
    return [seen for seen in looks if seen]


def status_of(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise FileChanged(f"{path}: {error.strerror}") from None


def read_all(name: str, missing: Sequence[Missing], cache: HashCache) -> Iterator[tuple[Missing, list[bytes]]]:
    """(file, hashes of its blocks) of all that are missing, read by threads: those of large files leave Python's lock
    to others. The cache is written now and then, and whatever ends the work."""
    if not missing:
        return
    progress, saved = HashProgress(name, len(missing)), time.monotonic()
    chunks = iter([missing[at : at + CHUNK] for at in range(0, len(missing), CHUNK)])
    threads = min(16, 2 * cores())
    pool = ThreadPoolExecutor(threads)
    done: set[Future[list[tuple[Missing, list[bytes]]]]] = set()
    running = set(done)
    try:
        while True:
            running |= {pool.submit(read_some, chunk) for chunk in islice(chunks, 2 * threads - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for file, digests in chain.from_iterable(future.result() for future in done):
                keep(cache, file, digests)
                progress.advance(1)
                yield file, digests
            if time.monotonic() - saved > SAVE_EVERY:
                cache.save()
                saved = time.monotonic()
    finally:
        pool.shutdown(cancel_futures=True)
        # what other threads read before one of them failed is not read again
        for future in done | running:
            if not future.cancelled() and not future.exception():
                for file, digests in future.result():
                    keep(cache, file, digests)
        cache.save()
        progress.close()


def keep(cache: HashCache, file: Missing, digests: list[bytes]) -> None:
    if settled(file.status):
        for place, digest in zip(file.keys, digests, strict=True):
            cache.add(place, digest)


def read_some(files: Sequence[Missing]) -> list[tuple[Missing, list[bytes]]]:
    return [(file, [read(file.path, file.status, block) for block in file.blocks]) for file in files]


def sampled(name: str, size: int) -> list[int]:
    """The blocks of a file that are in a sample, by its name alone."""
    start = os.fsencode(name) + b"\0"
    every = range(max(1, -(-size // BLOCK)))
    return [i for i in every if int.from_bytes(hashlib.sha256(start + b"%d" % i).digest()[:8], "big") % SAMPLED == 0]


def read(path: str, status: os.stat_result, block: int) -> bytes:
    """SHA-256 of a file, or of a block of it. Raises FileChanged where the file is not the one of `status` any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to keeps nobody waiting
    except OSError as error:
        raise FileChanged(f"{path}: {error.strerror}") from None
    try:
        if not S_ISREG(os.fstat(descriptor).st_mode):
            raise FileChanged(f"{path}: not a file")
        hashed = hashlib.sha256()
        at, end = (0, status.st_size) if block < 0 else (block * BLOCK, min((block + 1) * BLOCK, status.st_size))
        while at < end and (data := os.pread(descriptor, min(BLOCK, end - at), at)):
            hashed.update(data)
            at += len(data)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    same = ("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
    if any(getattr(after, field) != getattr(status, field) for field in same):
        raise FileChanged(f"{path} changed while it was read; start again when nothing writes to it")
    return hashed.digest()


def settled(status: os.stat_result) -> bool:
    """Whether another change would be seen in the file's times, which are as coarse as the file system's clock."""
    return time.time() - max(status.st_mtime, status.st_ctime) > FRESH


class HashProgress:
    """Lines on standard error, for those who wait: one that is written over on a terminal."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.terminal = sys.stderr.isatty()
        self.next, self.shown = time.monotonic() + PATIENCE, False

    def advance(self, files: int) -> None:
        self.done += files
        if time.monotonic() > self.next:
            text = f"{self.name}: reading its files for the fingerprint, once: {self.done:,} of {self.total:,}"
            start, end = ("\r", "") if self.terminal else ("", "\n")
            print(f"{start}{text}", end=end, file=sys.stderr, flush=True)
            self.next, self.shown = time.monotonic() + (0.2 if self.terminal else 10.0), True

    def close(self) -> None:
        if self.shown and self.terminal:
            print(file=sys.stderr, flush=True)
