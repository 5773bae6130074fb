"""Hashes of files that were read before, in the user's cache: a file of an unchanged path, size and times is not read
again. What is in it is a convenience: lost or damaged, it is filled anew."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from bench.files import cache_folder, write_bytes

KEY, VALUE, END = 16, 32, 32  # bytes: of a key, of a SHA-256, of the checksum at the end
RECORD = KEY + VALUE
STALE = 4  # times as many records as files: what is not used any more is left out


def key(path: str, status: os.stat_result, block: int = -1) -> bytes:
    """What a hash is kept under: path, size and times of the file; the block of it, or -1 for all."""
    text = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {block} "
    return hashlib.blake2b(text.encode() + os.fsencode(path), digest_size=KEY).digest()


class HashCache:
    """The hashes of one data set's files, by `key`. `save` writes them in one step."""

    def __init__(self, root: str) -> None:
        name = hashlib.sha256(os.fsencode(os.path.abspath(root))).hexdigest()[:32]
        self.file = cache_folder() / f"{name}.hashes"
        self.hashes, self.new = self._read(), 0

    def add(self, key: bytes, digest: bytes) -> None:
        self.hashes[key] = digest
        self.new += 1

    def save(self, used: set[bytes] | None = None) -> None:
        """Write what is new, beside what others have written since. used: all that is in use, where that is known."""
        if not self.new:
            return
        together = self._read() | self.hashes
        if used is not None and len(together) > STALE * len(used):
            together = {k: digest for k, digest in together.items() if k in used}
        body = b"".join(k + digest for k, digest in together.items())
        with suppress(OSError):  # nowhere to keep it: the next look takes as long
            write_bytes(self.file, body + hashlib.sha256(body).digest())
            self.new = 0

    def _read(self) -> dict[bytes, bytes]:
        try:
            content = self.file.read_bytes()
        except OSError:
            return {}
        body = content[:-END]
        if hashlib.sha256(body).digest() != content[-END:] or len(body) % RECORD:
            return {}
        return {body[i : i + KEY]: body[i + KEY : i + RECORD] for i in range(0, len(body), RECORD)}
